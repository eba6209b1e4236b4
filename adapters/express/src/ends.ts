import {request as requestPlain} from "node:http";
import {request as requestTls} from "node:https";
import {setTimeout as pause} from "node:timers/promises";
import type {Address} from "./connection.js";
import {SojournError, type EndReason} from "./errors.js";

/** What goes on for long, and ends when this does at the latest: a signal, or what closes, as a response. */
export type Closing = AbortSignal | {readonly closed?: boolean; once(event: "close", listener: () => void): unknown};

/** What the service says of a session's end. */
interface SeenEnd {
	ended: boolean;
	end_reason: EndReason | null;
	expires_at: number | null;
	now: number;
}

/** How long the service is to wait for an end, in seconds, before it says that there was none. */
const WAIT = 20;
/** How much longer its answer may take, and how long to wait after it failed, in milliseconds. */
const LATE = 5000;
const PAUSE = 1000;
const LONGEST_ANSWER = 4096;

/** One question about one session, however many wait for its end. */
class Watch {
	readonly followers = new Set<AbortController>();
	/** By our clock: past it the session is over, whether the service can be asked or not. */
	goodUntil = Infinity;
	readonly stopped = new AbortController();
}

/** Those who wait for the end of sessions, for what goes on for long. */
export class Ends {
	readonly #ask: (id: string, signal: AbortSignal) => Promise<SeenEnd>;
	readonly #watches = new Map<string, Watch>();
	#told = false;

	constructor(address: Address, prefix: string, headers: Record<string, string>) {
		this.#ask = (id, signal) => ask(address, `${prefix}/v1/sessions/${id}/end?wait=${WAIT}`, headers, signal);
	}

	/** Has `ending` be aborted once the session is over, which lives for `left` milliseconds as far as is known. */
	follow(id: string, left: number, ending: AbortController): void {
		let watch = this.#watches.get(id);
		if (watch === undefined) {
			watch = new Watch();
			this.#watches.set(id, watch);
			void this.#watch(id, watch);
		}
		const followed = watch;
		followed.goodUntil = Date.now() + left;
		followed.followers.add(ending);
		const leave = () => {
			followed.followers.delete(ending);
			if (followed.followers.size === 0) this.#stop(id, followed);
		};
		ending.signal.addEventListener("abort", leave, {once: true});
	}

	#stop(id: string, watch: Watch): void {
		if (this.#watches.get(id) === watch) this.#watches.delete(id);
		watch.stopped.abort();
	}

	async #watch(id: string, watch: Watch): Promise<void> {
		const {signal} = watch.stopped;
		while (!signal.aborted) {
			try {
				const seen = await this.#ask(id, signal);
				this.#told = false;
				if (seen.ended) return this.#end(id, watch, seen.end_reason);
				if (seen.expires_at !== null) watch.goodUntil = Date.now() + seen.expires_at - seen.now;
			} catch (error) {
				if (signal.aborted) return;
				if (Date.now() >= watch.goodUntil) return this.#end(id, watch, null);
				this.#warn(error as Error);
				await pause(PAUSE, undefined, {signal}).catch(() => {});
			}
		}
	}

	#end(id: string, watch: Watch, reason: EndReason | null): void {
		this.#stop(id, watch);
		const over = sessionOver(reason);
		for (const follower of [...watch.followers]) follower.abort(over);
	}

	#warn(error: Error): void {
		if (this.#told) return;
		this.#told = true;
		process.emitWarning(`Nobody tells of the end of sessions: ${error.message}. It is asked for again each second.`, "SojournWarning");
	}
}

/** Aborted, with no reason of ours, once `closing` is closed. */
export function untilClosed(closing: Closing): AbortController {
	const ending = new AbortController();
	const close = () => ending.abort();
	if (closing instanceof AbortSignal ? closing.aborted : closing.closed) close();
	else if (closing instanceof AbortSignal) closing.addEventListener("abort", close, {once: true});
	else closing.once("close", close);
	return ending;
}

/** What a signal is aborted with where the session is over. */
export function sessionOver(reason: EndReason | null): SojournError {
	const detail = `The session ended${reason ? `: ${reason}` : ""}.`;
	const problem = {status: 401, code: "session-ended", title: "The session has ended", detail};
	return new SojournError("session-ended", detail, reason ? {...problem, end_reason: reason} : problem);
}

/** A request that waits, on a connection of its own: those of opens and commits are for what is answered at once. */
function ask(address: Address, path: string, headers: Record<string, string>, signal: AbortSignal): Promise<SeenEnd> {
	return new Promise((resolve, reject) => {
		const where = "path" in address ? {socketPath: address.path} : {host: address.host, port: address.port};
		const request = "tls" in address && address.tls ? requestTls : requestPlain;
		const asked = request({...where, path, headers, signal, timeout: WAIT * 1000 + LATE}, (answer) => {
			let text = "";
			answer.setEncoding("utf8").on("data", (part: string) => {
				text += part;
				if (text.length > LONGEST_ANSWER) asked.destroy(new Error("the service answered at length"));
			});
			answer.on("error", reject).on("end", () => {
				try {
					const seen: SeenEnd = answer.statusCode === 200 ? JSON.parse(text) : null;
					if (typeof seen?.ended === "boolean") return resolve(seen);
				} catch {
					// As below.
				}
				reject(new Error(`the session service answered ${answer.statusCode}, and not of an end`));
			});
		});
		asked.on("timeout", () => asked.destroy(new Error("the session service did not answer"))).on("error", reject);
		asked.end();
	});
}
