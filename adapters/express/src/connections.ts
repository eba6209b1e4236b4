import {answerOf, Batch, type Answer, type Asked} from "./batch.js";
import {Connection, type Address, type Reply, type Request} from "./connection.js";

/** What stands before and after a request's path and length. */
export interface Head {
	prefix: string;
	/** Up to the type of the body. */
	headers: string;
}

const MOST_CONNECTIONS = 64;
/**
 * Where the service knows no batches, opens of one turn of the event loop travel in one piece, so many at most: a write and
 * a read cost more than all else about one. The service answers them in their order.
 */
const MOST_PIPELINED = 16;
/** A longer call goes alone, so that a batch stays within what a service takes. */
const LONG = 32 * 1024;
const LONGEST_BATCH = 256 * 1024;
const MOST_CALLS = 128;
/** How long a batch that has no answer yet holds up those that come behind it. */
const PATIENCE = 10;
/** Idle connections are not kept as long as servers and proxies keep them, so that none is closed under a request. */
const KEEP_IDLE = 30_000;

interface Call extends Asked {
	isOnce: boolean;
	/** null while it waits for its turn. */
	connection: Connection | null;
	/** Those that were sent with it. */
	together: readonly Call[];
	settled: boolean;
}

/** Opens and commits, over a few connections that stay open. */
export class Connections {
	readonly #address: Address;
	readonly #head: Head;
	readonly #timeout: number;
	readonly #idle: Connection[] = [];
	readonly #all = new Set<Connection>();
	/** First come, first served. Not a Set: V8 keeps what was in its former tables until the next full collection. */
	readonly #waiting: Call[] = [];
	readonly #again: Call[] = [];
	/** How many calls a batch may hold, as the service says; 0 where it knows none. */
	#most = 0;
	#unsettled = 0;
	/** The batch that is under way, until it begins to be answered. */
	#holding: Batch<Call> | null = null;
	#patience: NodeJS.Timeout | undefined;
	#isGathering = false;

	constructor(address: Address, head: Head, timeout: number) {
		this.#address = address;
		this.#head = head;
		this.#timeout = timeout;
	}

	/** Rejects where there is no answer. With `isOnce` it is never sent twice: who knows what became of the first? */
	ask(name: Asked["name"], body: string, isOnce: boolean): Promise<Answer> {
		return new Promise((resolve, reject) => {
			const settle = (result: Answer | Error) => {
				call.settled = true;
				this.#unsettled--;
				clearTimeout(timer);
				if (result instanceof Error) reject(result);
				else resolve(result);
			};
			const answered = (result: Answer | Error) => {
				if (!call.settled && !(result instanceof Error && this.#repeat(call))) settle(result);
			};
			const call: Call = {name, body, isOnce, answered, connection: null, together: [], settled: false};
			const timer = setTimeout(() => {
				const error = new Error(`nothing within ${this.#timeout} ms`);
				const place = this.#waiting.indexOf(call);
				if (place >= 0) this.#waiting.splice(place, 1);
				settle(error);
				// A late answer keeps its place, and is dropped, while others of that connection still wait for theirs.
				if (call.together.every(({settled}) => settled)) call.connection?.close(error);
			}, this.#timeout);
			this.#unsettled++;
			this.#waiting.push(call);
			if (name === "commit" && (this.#most === 0 || this.#unsettled === 1)) this.#next();
			else this.#gather();
		});
	}

	/** What comes in this turn of the event loop goes with those that wait. */
	#gather(): void {
		if (this.#isGathering || this.#waiting.length === 0) return;
		this.#isGathering = true;
		setImmediate(() => {
			this.#isGathering = false;
			this.#next();
		});
	}

	/** A server that restarted hangs up on kept connections: that says nothing about a new one. */
	#repeat(call: Call): boolean {
		if (call.isOnce || !call.connection!.used) return false;
		if (this.#again.push(call) === 1) {
			setImmediate(() => {
				const calls = this.#again.splice(0).filter(({settled}) => !settled);
				while (calls.length > 0) this.#pipeline(calls.splice(0, MOST_PIPELINED), this.#connect());
			});
		}
		return true;
	}

	#next(): void {
		while (this.#waiting.length > 0 && this.#holding === null) {
			const connection = this.#take();
			if (!connection) return;
			if (this.#most === 0) this.#pipeline(this.#opens(), connection);
			else {
				const calls = this.#some();
				const isAlone = calls.length === 1 && (this.#unsettled === 1 || calls[0]!.body.length > LONG);
				if (isAlone) this.#pipeline(calls, connection);
				else this.#batch(calls, connection);
			}
		}
	}

	/** The next that travel in one piece. A write goes alone: it may take long, and is not repeated. */
	#opens(): Call[] {
		const write = this.#waiting.findIndex(({name}) => name !== "open");
		const count = write < 0 ? this.#waiting.length : Math.max(write, 1);
		return this.#waiting.splice(0, Math.min(count, MOST_PIPELINED));
	}

	/** The next batch. */
	#some(): Call[] {
		let count = 0;
		let length = 0;
		for (const {body} of this.#waiting) {
			length += body.length;
			if (count > 0 && (body.length > LONG || length > LONGEST_BATCH)) break;
			if (++count === this.#most || body.length > LONG) break;
		}
		return this.#waiting.splice(0, count);
	}

	#pipeline(calls: Call[], connection: Connection): void {
		this.#place(calls, connection);
		connection.ask(
			calls.map(({name, body, answered}) => ({
				text: this.#spelled(name, "json", body),
				answered: (reply) => {
					if (reply instanceof Error) return answered(reply);
					this.#learn(reply);
					answered(answerOf(reply));
				},
			})),
		);
	}

	#batch(calls: Call[], connection: Connection): void {
		this.#place(calls, connection);
		const batch = new Batch(
			calls,
			() => this.#letGo(batch),
			(reply, left) => this.#ended(reply, left),
		);
		this.#holding = batch;
		this.#patience = setTimeout(() => this.#letGo(batch), PATIENCE);
		const request: Request = {
			text: this.#spelled("batch", "x-ndjson", batch.body),
			heard: (bytes) => batch.heard(bytes),
			answered: (reply) => batch.answered(reply),
		};
		connection.ask([request]);
	}

	#letGo(batch: Batch<Call>): void {
		if (this.#holding !== batch) return;
		clearTimeout(this.#patience);
		this.#holding = null;
		this.#gather();
	}

	/** A batch's answer is at its end; these calls got none in it. */
	#ended(reply: Reply | Error, left: readonly Call[]): void {
		if (!(reply instanceof Error)) this.#learn(reply);
		if (reply instanceof Error || reply.status === 200) {
			const missing = reply instanceof Error ? reply : new Error("a call of a batch was left without an answer");
			for (const call of left) call.answered(missing);
			return;
		}
		const refused = answerOf(reply);
		if (reply.status === 404 && (refused.value as {type?: unknown} | null)?.type === "urn:sojourn:problem:not-found") {
			// An older service, and nothing was done.
			this.#most = 0;
			for (const call of left) if (!call.settled) this.#waiting.push(call);
			return this.#gather();
		}
		for (const call of left) call.answered(refused);
	}

	#learn({status, most}: Reply): void {
		if (status === 200) this.#most = Math.min(most, MOST_CALLS);
	}

	#spelled(path: string, type: string, body: string): string {
		const {prefix, headers} = this.#head;
		return `POST ${prefix}/v1/${path}${headers}application/${type}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
	}

	#place(calls: Call[], connection: Connection): void {
		for (const call of calls) {
			call.connection = connection;
			call.together = calls;
		}
	}

	#take(): Connection | null {
		for (let connection; (connection = this.#idle.pop()); ) {
			if (performance.now() - connection.idleSince < KEEP_IDLE) return connection;
			this.#all.delete(connection);
			connection.close(new Error("idle for too long"));
		}
		return this.#all.size < MOST_CONNECTIONS ? this.#connect() : null;
	}

	#connect(): Connection {
		const connection = new Connection(
			this.#address,
			(idle) => this.#release(idle),
			(closed) => this.#forget(closed),
		);
		this.#all.add(connection);
		return connection;
	}

	#release(connection: Connection): void {
		connection.idleSince = performance.now();
		this.#idle.push(connection);
		// Those who were answered just now may have something to write.
		if (this.#most > 0) this.#gather();
		else this.#next();
	}

	#forget(connection: Connection): void {
		if (!this.#all.delete(connection)) return;
		const index = this.#idle.indexOf(connection);
		if (index >= 0) this.#idle.splice(index, 1);
		this.#next();
	}
}
