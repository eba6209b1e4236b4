import {createRequire} from "node:module";
import {connect as connectPlain, type Socket} from "node:net";

/** Where the service listens. */
export type Address = {path: string} | {host: string; port: number; tls: boolean};

export interface Answer {
	status: number;
	body: string;
}

interface Asked {
	resolve: (answer: Answer) => void;
	reject: (error: Error) => void;
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
	#asked: Asked | null = null;
	#chunks: Buffer[] = [];
	#size = 0;
	#head: Head | null = null;
	/** Whether an answer came over it before: the server may since have hung up. */
	used = false;
	/** When it fell idle, by performance.now(). */
	idleSince = 0;

	constructor(address: Address, onIdle: (connection: Connection) => void, onClose: (connection: Connection) => void) {
		this.#onIdle = onIdle;
		this.#onClose = onClose;
		this.#socket = connect(address);
		this.#socket.setNoDelay(true);
		this.#socket.on("data", (chunk: Buffer) => this.#read(chunk));
		this.#socket.on("end", () => this.close(new Error("the connection was closed")));
		this.#socket.on("error", (error) => this.close(error));
		this.#socket.on("close", () => this.close(new Error("the connection was closed")));
	}

	/** Sends `request`, the whole of it. Rejects if the connection fails before the answer is there. */
	ask(request: string, encoding: "latin1" | "utf8"): Promise<Answer> {
		return new Promise((resolve, reject) => {
			this.#asked = {resolve, reject};
			this.#socket.ref();
			this.#socket.write(request, encoding);
		});
	}

	close(error: Error): void {
		this.#socket.destroy();
		const asked = this.#asked;
		this.#asked = null;
		asked?.reject(error);
		this.#onClose(this);
	}

	#read(chunk: Buffer): void {
		if (!this.#asked) return this.close(new Error("an answer that nobody asked for"));
		this.#chunks.push(chunk);
		this.#size += chunk.length;
		try {
			if (!this.#head) {
				const bytes = this.#gather();
				this.#head = readHead(bytes);
				if (!this.#head) {
					if (bytes.length > HEAD_LIMIT) throw new Error("headers without an end");
					return;
				}
			}
			const {end, length, keepAlive, status} = this.#head;
			if (length !== null && this.#size < end + length) return;
			const body = length === null ? readChunked(this.#gather(), end) : this.#gather().toString("utf8", end, end + length);
			if (body === null) return;
			if (length !== null && this.#size > end + length) throw new Error("more than one answer");
			this.#done({status, body}, keepAlive);
		} catch (error) {
			this.close(error as Error);
		}
	}

	#gather(): Buffer {
		if (this.#chunks.length > 1) this.#chunks = [Buffer.concat(this.#chunks)];
		return this.#chunks[0]!;
	}

	#done(answer: Answer, keepAlive: boolean): void {
		const asked = this.#asked!;
		this.#asked = this.#head = null;
		this.#chunks = [];
		this.#size = 0;
		this.used = true;
		if (keepAlive) {
			// Idle, it keeps no process alive.
			this.#socket.unref();
			this.#onIdle(this);
		} else this.close(new Error("the server closes it"));
		asked.resolve(answer);
	}
}

function connect(address: Address): Socket {
	if ("path" in address) return connectPlain(address.path);
	const {host, port} = address;
	if (!address.tls) return connectPlain(port, host);
	// To import it is to read all root certificates, which most never need.
	const tls = createRequire(import.meta.url)("node:tls") as typeof import("node:tls");
	return tls.connect({host, port, servername: /[a-z]/i.test(host) && !host.includes(":") ? host : "", ALPNProtocols: ["http/1.1"]});
}

interface Head {
	status: number;
	/** Where the body begins. */
	end: number;
	/** null: chunked. */
	length: number | null;
	keepAlive: boolean;
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
	};
}

/** A body in chunks, as a proxy may send it; null where not all of it is there. */
function readChunked(bytes: Buffer, start: number): string | null {
	const parts: Buffer[] = [];
	for (let at = start; ; ) {
		const line = bytes.indexOf("\r\n", at);
		if (line < 0) return null;
		const size = /^[0-9a-f]{1,8}/i.exec(bytes.toString("latin1", at, line))?.[0];
		if (size === undefined) throw new Error("a chunk without a size");
		const from = line + 2;
		const to = from + Number.parseInt(size, 16);
		if (bytes.length < to + 2) return null;
		if (to === from) return Buffer.concat(parts).toString("utf8");
		parts.push(bytes.subarray(from, to));
		at = to + 2;
	}
}
