import type {ServerResponse} from "node:http";

type Method = "writeHead" | "write" | "end" | "flushHeaders" | "flush";
type Flushed = {flush?: () => void};
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
	// As they are now: others have put theirs in their place, and others will.
	const {writeHead, write, end, flushHeaders} = res;
	const {flush} = res as Flushed;
	const real = {writeHead, write, end, flushHeaders, flush} as Record<Method, (...args: unknown[]) => unknown>;
	const calls: [Method, unknown[]][] = [];
	const moved = Object.hasOwn(res, "on") ? watchDrain(res) : NONE;
	let state: "waiting" | "asking" | "held" | "open" | "replaced" = "waiting";
	let release: () => void;
	let told = false;

	function call(method: Method, args: unknown[]): unknown {
		if (state === "waiting") {
			if (method === "writeHead") {
				args = takeHeaders(res, args);
				res.statusCode = args[0] as number;
			}
			hold(gate.before(res.statusCode), method);
		}
		if (state === "open") return pass(method, args);
		if (state === "asking") return res;
		if (state === "replaced") return swallow(method, args);
		if (method === "end") Object.defineProperty(res, "writableEnded", {value: true, configurable: true});
		// A second writeHead is how others ask for the headers to go out.
		if (method !== "writeHead" || calls.length === 0) calls.push([method, args]);
		return method === "write" ? false : res;
	}

	function hold(pending: Promise<void> | null, method: Method): void {
		state = pending ? "asking" : "open";
		if (!pending) return;
		// Who wraps our writeHead sets headers in it, and must come to it before they are frozen.
		if (method !== "writeHead" && res.writeHead !== ours) res.writeHead(res.statusCode);
		state = "held";
		release = freeze(res);
		// A compression has it, and would flush before it was given what is held back.
		if (flush && (res as Flushed).flush === flush) shadow(res, "flush", () => void call("flush", []));
		pending.then(send).catch(fail);
	}

	/** The others come to writeHead by themselves. */
	function pass(method: Method, args: unknown[]): unknown {
		if (method === "writeHead" && !told) {
			told = true;
			args = takeHeaders(res, args);
			gate.tell();
		}
		return real[method].apply(res, args);
	}

	function send(): void {
		release();
		state = "open";
		let wait = false;
		for (const [method, args] of calls) if (pass(method, args) === false && method === "write") wait = true;
		// What was told to wait goes on, unless who took the bytes in will say so.
		if (!wait && !res.writableEnded) wake();
	}

	function fail(error: unknown): void {
		release();
		if (res.headersSent) return void res.destroy(error as Error);
		state = "open";
		gate.instead(error, (body) => void real.end.call(res, body));
		// A handler that streams goes on writing, and into nothing.
		state = "replaced";
		for (const [method, args] of calls) swallow(method, args);
		process.nextTick(wake);
	}

	function swallow(method: Method, args: unknown[]): unknown {
		const done = args.at(-1);
		if (typeof done === "function") process.nextTick(done);
		return method === "write" ? true : res;
	}

	function wake(): void {
		const here = new Set(res.rawListeners("drain"));
		res.emit("drain");
		for (const listener of moved) if (!here.has(listener)) listener.call(res);
	}

	const ours = (...args: unknown[]) => call("writeHead", args) as ServerResponse;
	res.writeHead = ours;
	res.write = (...args: unknown[]) => call("write", args) as boolean;
	res.end = ((...args: unknown[]) => call("end", args)) as ServerResponse["end"];
	res.flushHeaders = () => void call("flushHeaders", []);
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

/** Makes `res` look as if its headers were sent; returns the way back. */
function freeze(res: ServerResponse): () => void {
	const {statusCode, statusMessage} = res;
	const refuse = () => {
		const error = new Error("Cannot set headers after they are sent to the client");
		throw Object.assign(error, {code: "ERR_HTTP_HEADERS_SENT"});
	};
	const undo = ["setHeader", "setHeaders", "appendHeader", "removeHeader"].map((name) => shadow(res, name, refuse));
	undo.push(shadow(res, "headersSent", true));
	return () => {
		for (const back of undo) back();
		delete (res as {writableEnded?: boolean}).writableEnded;
		Object.assign(res, {statusCode, statusMessage});
	};
}

function shadow(res: ServerResponse, name: string, value: unknown): () => void {
	const before = Object.getOwnPropertyDescriptor(res, name);
	Object.defineProperty(res, name, {value, configurable: true, writable: true});
	return () => {
		if (before) Object.defineProperty(res, name, before);
		else delete (res as unknown as Record<string, unknown>)[name];
	};
}
