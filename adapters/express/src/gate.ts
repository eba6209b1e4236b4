import type {ServerResponse} from "node:http";

type Method = "writeHead" | "write" | "end" | "flushHeaders" | "flush";
type Call = (...args: unknown[]) => unknown;
type Flushed = {flush?: () => void};
/** node:http's own; null until its headers are sent. */
type Unsent = ServerResponse & {_header: string | null};
type Listener = (...args: any[]) => void;

/** What an answer waits for. */
export interface Gate {
	/** At the first byte of an answer with `status`: what is still to be done, or null where it may go at once. */
	before: (status: number) => Promise<void> | null;
	/** Sets the last headers, after everyone else. */
	tell: () => void;
	/** Answers by `end` where `before` failed. */
	instead: (error: unknown, end: (body: string) => void) => void;
}

/**
 * Holds an answer back, whichever call would send its first byte. While it is held, the handler meets what it would
 * meet if the bytes were out: `headersSent` is true, and headers can no longer be set.
 */
export function holdBack(res: ServerResponse, gate: Gate): void {
	const hold = new Hold(res, gate);
	res.writeHead = hold.writeHead;
	res.write = hold.write;
	res.end = hold.end;
	res.flushHeaders = hold.flushHeaders;
}

const HOLD = Symbol("sojourn");

/**
 * One answer that may be held back. Some things V8 makes in its old space, and all that they reach is kept, and copied
 * twice, until the next full collection: accessors, so that one serves all answers, and functions that are assigned to a
 * property where they are written, so that there are none.
 */
class Hold {
	static readonly #writableEnded: PropertyDescriptor & ThisType<ServerResponse & {[HOLD]: Hold}> = {
		configurable: true,
		get() {
			const {[HOLD]: hold} = this;
			return hold.#ended || Reflect.get(Object.getPrototypeOf(hold.#res), "writableEnded", hold.#res);
		},
	};
	readonly #res: ServerResponse;
	readonly #gate: Gate;
	// As they are now: others have put theirs in their place, and others will.
	readonly #real: Record<Method, Call>;
	readonly #moved: ReadonlySet<Listener>;
	#calls: [Method, unknown[]][] = [];
	#state: "waiting" | "asking" | "held" | "open" | "replaced" = "waiting";
	#release = () => {};
	#told = false;
	#ended = false;
	readonly writeHead = (...args: unknown[]) => this.#call("writeHead", args) as ServerResponse;
	readonly write = (...args: unknown[]) => this.#call("write", args) as boolean;
	readonly end = ((...args: unknown[]) => this.#call("end", args)) as ServerResponse["end"];
	readonly flushHeaders = () => void this.#call("flushHeaders", []);

	constructor(res: ServerResponse, gate: Gate) {
		const {writeHead, write, end, flushHeaders} = res;
		this.#res = res;
		this.#gate = gate;
		this.#real = {writeHead, write, end, flushHeaders, flush: (res as Flushed).flush} as Record<Method, Call>;
		this.#moved = Object.hasOwn(res, "on") ? watchDrain(res) : NONE;
	}

	#call(method: Method, args: unknown[]): unknown {
		const res = this.#res;
		if (this.#state === "waiting") {
			if (method === "writeHead") {
				args = takeHeaders(res, args);
				res.statusCode = args[0] as number;
			}
			this.#hold(this.#gate.before(res.statusCode), method);
		}
		if (this.#state === "open") return this.#pass(method, args);
		if (this.#state === "asking") return res;
		if (this.#state === "replaced") return this.#swallow(method, args);
		if (method === "end") this.#end();
		// A second writeHead is how others ask for the headers to go out.
		if (method !== "writeHead" || this.#calls.length === 0) this.#calls.push([method, args]);
		return method === "write" ? false : res;
	}

	#hold(pending: Promise<void> | null, method: Method): void {
		const res = this.#res;
		this.#state = pending ? "asking" : "open";
		if (!pending) return;
		// Who wraps our writeHead sets headers in it, and must come to it before they are frozen.
		if (method !== "writeHead" && res.writeHead !== this.writeHead) res.writeHead(res.statusCode);
		this.#state = "held";
		this.#freeze();
		pending.then(() => this.#send()).catch((error) => this.#fail(error));
	}

	/** The others come to writeHead by themselves. */
	#pass(method: Method, args: unknown[]): unknown {
		if (method === "writeHead" && !this.#told) {
			this.#told = true;
			args = takeHeaders(this.#res, args);
			this.#gate.tell();
		}
		return this.#real[method].apply(this.#res, args);
	}

	#send(): void {
		this.#release();
		this.#state = "open";
		let wait = false;
		for (const [method, args] of this.#calls) if (this.#pass(method, args) === false && method === "write") wait = true;
		// What was told to wait goes on, unless who took the bytes in will say so.
		if (!wait && !this.#res.writableEnded) this.#wake();
	}

	#fail(error: unknown): void {
		const res = this.#res;
		this.#release();
		if (res.headersSent) return void res.destroy(error as Error);
		this.#state = "open";
		this.#gate.instead(error, (body) => void this.#real.end.call(res, body));
		// A handler that streams goes on writing, and into nothing.
		this.#state = "replaced";
		for (const [method, args] of this.#calls) this.#swallow(method, args);
		process.nextTick(() => this.#wake());
	}

	#swallow(method: Method, args: unknown[]): unknown {
		const done = args.at(-1);
		if (typeof done === "function") process.nextTick(done);
		return method === "write" ? true : this.#res;
	}

	#wake(): void {
		const res = this.#res;
		const here = new Set(res.rawListeners("drain"));
		res.emit("drain");
		for (const listener of this.#moved) if (!here.has(listener)) listener.call(res);
	}

	/** Makes the answer look as if its headers were sent. */
	#freeze(): void {
		const res = this.#res as Unsent;
		const {statusCode, statusMessage} = res;
		// By this it says `headersSent`, and refuses headers. What it is given is not sent: our own methods keep it.
		res._header = "held back";
		// A compression has it, and would flush before it was given what is held back.
		const {flush} = this.#real;
		const flushes = flush !== undefined && (res as Flushed).flush === flush;
		const holds = () => void this.#call("flush", []);
		if (flushes) (res as Flushed).flush = holds;
		const release = () => {
			this.#ended = false;
			res._header = null;
			if (flushes) (res as Flushed).flush = flush as () => void;
			Object.assign(res, {statusCode, statusMessage});
		};
		this.#release = release;
	}

	/** Makes the answer look as if it had ended. */
	#end(): void {
		if (this.#ended) return;
		this.#ended = true;
		Object.defineProperty(this.#res, HOLD, {configurable: true, value: this});
		Object.defineProperty(this.#res, "writableEnded", Hold.#writableEnded);
	}
}

const NONE: ReadonlySet<Listener> = new Set();

/**
 * Who listens for "drain". A compression that is mounted before us has taken `on` over, and moves them to its own stream:
 * what is emitted here does not reach them.
 */
function watchDrain(res: ServerResponse): ReadonlySet<Listener> {
	const {on, removeListener, off} = res;
	const listeners = new Set<Listener>();
	res.on = (name: string, listener: Listener) => {
		if (name === "drain") listeners.add(listener);
		return on.call(res, name, listener);
	};
	const forget = (remove: typeof off) => (name: string, listener: Listener) => {
		for (const each of listeners) if (each === listener || (each as {listener?: Listener}).listener === listener) listeners.delete(each);
		return remove.call(res, name, listener);
	};
	res.removeListener = forget(removeListener);
	res.off = forget(off);
	return listeners;
}

/** Sets the headers that are given to writeHead: it would put them over those that are still to be set. */
function takeHeaders(res: ServerResponse, args: unknown[]): unknown[] {
	const headers = args.at(-1);
	if (typeof headers !== "object" || headers === null) return args;
	if (Array.isArray(headers)) {
		const flat = headers.flat() as string[];
		for (let index = 0; index < flat.length; index += 2) res.removeHeader(flat[index]!);
		for (let index = 0; index < flat.length; index += 2) res.appendHeader(flat[index]!, flat[index + 1]!);
	} else for (const [name, value] of Object.entries(headers)) if (value !== undefined) res.setHeader(name, value);
	return args.slice(0, -1);
}
