import {connect as connectPlain, type Socket} from "node:net";
import type {ConnectionOptions} from "node:tls";

/** Where the service listens. */
export type Address = {path: string} | {host: string; port: number; tls: boolean};

export interface Reply {
	status: number;
	body: string;
	/** How many calls a batch may hold, as the service says; 0 where it knows none. */
	most: number;
}

/** One request, and who waits for its answer. */
export interface Request {
	text: string;
	/** Takes the body of an answer with status 200 as it comes, in place of the reply's. What it throws ends the connection. */
	heard?: (bytes: Buffer) => void;
	/** Called once: with the answer, or with why the connection failed before all of it was there. */
	answered: (reply: Reply | Error) => void;
}

const HEAD_LIMIT = 64 * 1024;

/**
 * One keep-alive connection that carries one request at a time. Just enough of HTTP/1.1 for a known server and JSON
 * answers: node:http takes 3 to 5 times the CPU, and fetch 18 times, of what this costs a request.
 */
export class Connection {
	readonly #socket: Socket;
	readonly #onIdle: (connection: Connection) => void;
	readonly #onClose: (connection: Connection) => void;
	#asked: Request[] = [];
	#chunks: Buffer[] = [];
	#size = 0;
	#head: Head | null = null;
	/** Of a body in chunks, what has come of it. */
	#parts: Buffer[] = [];
	/** Whether an answer has come over it: the server may since have hung up. */
	used = false;
	/** When it fell idle, by performance.now(). */
	idleSince = 0;

	constructor(address: Address, onIdle: (connection: Connection) => void, onClose: (connection: Connection) => void) {
		this.#onIdle = onIdle;
		this.#onClose = onClose;
		this.#socket = connect(address, (bytes) => this.#read(bytes));
		this.#socket.setNoDelay(true);
		this.#socket.on("end", () => this.close(new Error("the connection was closed")));
		this.#socket.on("error", (error) => this.close(error));
		this.#socket.on("close", () => this.close(new Error("the connection was closed")));
	}

	/** Sends the requests in one piece; they are answered in their order. */
	ask(requests: Request[]): void {
		this.#asked = requests;
		this.#socket.ref();
		this.#socket.write(requests.length === 1 ? requests[0]!.text : requests.map(({text}) => text).join(""));
	}

	close(error: Error): void {
		this.#socket.destroy();
		const asked = this.#asked;
		this.#asked = [];
		this.#onClose(this);
		for (const {answered} of asked) answered(error);
	}

	#read(chunk: Buffer): void {
		this.#chunks.push(chunk);
		this.#size += chunk.length;
		try {
			while (this.#size > 0 && this.#take());
		} catch (error) {
			this.close(error as Error);
		}
		if (this.#size > 0) this.#chunks.push(Buffer.from(this.#chunks.pop()!));
	}

	/** Passes the next answer on, if all of it is there. */
	#take(): boolean {
		if (this.#asked.length === 0) throw new Error("an answer that nobody asked for");
		if (!this.#head) {
			const bytes = this.#gather();
			this.#head = readHead(bytes);
			if (!this.#head) {
				if (bytes.length > HEAD_LIMIT) throw new Error("headers without an end");
				return false;
			}
			this.used = true;
			this.#pass(this.#head.end);
		}
		const {length, keepAlive, status, most} = this.#head;
		if (length === null ? !this.#takeChunks() : this.#size < length) return false;
		const {heard} = this.#asked[0]!;
		let body = "";
		if (length === null) body = Buffer.concat(this.#parts).toString("utf8");
		else if (length > 0) {
			const bytes = this.#gather();
			if (status === 200 && heard) heard(bytes.subarray(0, length));
			else body = bytes.toString("utf8", 0, length);
			this.#pass(length);
		}
		this.#head = null;
		this.#parts = [];
		this.#done({status, body, most}, keepAlive);
		return true;
	}

	/** Takes what is whole of a body in chunks; whether that is all of it. */
	#takeChunks(): boolean {
		const heard = this.#head!.status === 200 ? this.#asked[0]!.heard : undefined;
		while (this.#size > 0) {
			const bytes = this.#gather();
			const line = bytes.indexOf("\r\n");
			if (line < 0) return false;
			const size = /^[0-9a-f]{1,8}/i.exec(bytes.toString("latin1", 0, line))?.[0];
			if (size === undefined) throw new Error("a chunk without a size");
			const from = line + 2;
			const to = from + Number.parseInt(size, 16);
			if (bytes.length < to + 2) return false;
			this.#pass(to + 2);
			if (to === from) return true;
			if (heard) heard(bytes.subarray(from, to));
			else this.#parts.push(Buffer.from(bytes.subarray(from, to)));
		}
		return false;
	}

	/** The first `count` bytes were made something of. */
	#pass(count: number): void {
		const bytes = this.#gather();
		this.#size -= count;
		this.#chunks = this.#size > 0 ? [bytes.subarray(count)] : [];
	}

	#gather(): Buffer {
		if (this.#chunks.length > 1) this.#chunks = [Buffer.concat(this.#chunks)];
		return this.#chunks[0]!;
	}

	#done(reply: Reply, keepAlive: boolean): void {
		const {answered} = this.#asked.shift()!;
		if (!keepAlive) this.close(new Error("the server closes it"));
		else if (this.#asked.length === 0) {
			// Idle, it keeps no process alive.
			this.#socket.unref();
			if (this.#size === 0) this.#onIdle(this);
		}
		answered(reply);
	}
}

/**
 * What came last over any connection. Node's own way makes a buffer of 64 KiB for each answer, and a chunk of a stream of it:
 * some 4 µs of a call's 30.
 */
const RECEIVED = Buffer.allocUnsafeSlow(64 * 1024);

/** `read` takes the bytes as they come. They are there only until it returns. */
function connect(address: Address, read: (bytes: Buffer) => void): Socket {
	const callback = (count: number) => {
		read(RECEIVED.subarray(0, count));
		return true;
	};
	const onread = {buffer: RECEIVED, callback};
	if ("path" in address) return connectPlain({path: address.path, onread});
	const {host, port} = address;
	if (!address.tls) return connectPlain({host, port, onread});
	// To import it is to read all root certificates, which most never need.
	const tls = require("node:tls") as typeof import("node:tls");
	const servername = /[a-z]/i.test(host) && !host.includes(":") ? host : "";
	return tls.connect({host, port, servername, ALPNProtocols: ["http/1.1"], onread} as ConnectionOptions);
}

interface Head {
	status: number;
	/** Where the body begins. */
	end: number;
	/** null: chunked. */
	length: number | null;
	keepAlive: boolean;
	most: number;
}

/** What stands before the body; null where not all of it is there. */
function readHead(bytes: Buffer): Head | null {
	const end = bytes.indexOf("\r\n\r\n");
	if (end < 0) return null;
	const text = bytes.toString("latin1", 0, end);
	const status = /^HTTP\/1\.([01]) (\d{3})/.exec(text);
	if (!status) throw new Error("not HTTP/1.1");
	const chunked = /\r\ntransfer-encoding:[ \t]*chunked[ \t]*(?:\r\n|$)/i.test(text);
	const length = /\r\ncontent-length:[ \t]*(\d{1,15})[ \t]*(?:\r\n|$)/i.exec(text);
	if (!chunked && !length) throw new Error("an answer without a length");
	return {
		status: Number(status[2]),
		end: end + 4,
		length: chunked ? null : Number(length![1]),
		keepAlive: status[1] === "1" && !/\r\nconnection:[ \t]*close/i.test(text),
		most: Number(/\r\nsojourn-batches:[ \t]*(\d{1,6})/i.exec(text)?.[1] ?? 0),
	};
}
