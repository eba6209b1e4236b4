import {SessionError, type SessionErrorCode} from "./errors.js";
import {camelCase} from "./names.js";
import {sleep} from "./tabs.js";
import type {TokenJar} from "./token.js";
import {fetchTransport, xhrTransport} from "./transport.js";
import type {SessionClientOptions} from "./types.js";

const PATIENCE = 30_000;

/** What came back. */
export interface Answer {
	readonly reply: Response;
	/** `false` where the answer is about a session that is no longer ours. */
	readonly isOurs: boolean;
	/** When, on our clock, it was asked for and had come. */
	readonly from: number;
	readonly to: number;
}

/** Requests and answers, with tokens, retries and errors. */
export interface Wire {
	/** One request, as it is, but for the token. */
	deliver(request: Request): Promise<Answer>;
	/** A call of one of the session's endpoints, tried again where that may help. */
	call<T>(read: Read<T>, method: string, path: string, body?: object): Promise<Answer & {readonly told: T}>;
}

/** Takes a value out of a body; gives `undefined` or throws where the body is not one of ours. */
export type Read<T> = (body: any) => T | undefined;

/** What `read` takes out of an answer, or the error that it is. */
export function parse<T>(response: Response, text: string, read?: Read<T>): T | SessionError {
	let body: any;
	try {
		body = JSON.parse(text);
		const value = response.ok ? read!(body) : undefined;
		if (value != null) return value;
	} catch {
		// Gateways, captive portals and service workers answer too.
	}
	body = camelCase(Object(body));
	const code = response.ok ? "invalid-answer" : /^urn:sojourn:problem:(.+)/.exec(body.type)?.[1];
	return new SessionError(response.status, (code as SessionErrorCode) ?? "http", typeof body.detail === "string" ? body.detail : "", code && body);
}

/** How many milliseconds to wait before the next try; 0 where none makes sense. */
function pause(status: number, attempt: number, retryAfter: string | null | undefined): number {
	const asked = +retryAfter! * 1000 || Date.parse(retryAfter!) - Date.now();
	// Earlier than asked would be rude, and nobody waits for longer.
	if (![0, 429, 502, 503, 504].includes(status) || asked > PATIENCE) return 0;
	return Math.max(asked || 0, 300 * 2 ** attempt * (0.5 + Math.random()));
}

/**
 * `url` is as the application gave it; the state is asked for with a slash at its end, as a mount redirects without.
 * `isTrusted` says whether a URL's server may be shown the token, and may set it; `signal` that the client is closed.
 */
export function createWire(
	{transport = "fetch", retries = 3, timeout = 15}: SessionClientOptions,
	url: string,
	jar: TokenJar | undefined,
	isTrusted: (url: string) => boolean,
	signal: AbortSignal,
): Wire {
	const carry = transport === "fetch" ? fetchTransport : transport === "xhr" ? xhrTransport : transport;

	async function deliver(request: Request): Promise<Answer> {
		const sent = jar && isTrusted(request.url) ? jar.get() : undefined;
		if (sent !== undefined) {
			request.headers.set("Sojourn-Transport", "bearer");
			if (sent) request.headers.set("Authorization", "Bearer " + sent);
		}
		const from = Date.now();
		const response = await carry(request);
		return {
			reply: response,
			from,
			to: Date.now(),
			// A redirect may have led elsewhere, and elsewhere must not plant a token.
			isOurs:
				sent === undefined ||
				((!response.url || isTrusted(response.url)) && jar!.take(sent, response.headers.get("Sojourn-Token"))),
		};
	}

	return {
		deliver,
		async call(read, method, path, body) {
			for (let attempt = 0; ; attempt++) {
				const stop = new AbortController();
				const abort = () => stop.abort();
				const timer = setTimeout(abort, timeout * 1000);
				let answer: Answer | undefined;
				signal.addEventListener("abort", abort, {signal: stop.signal});
				try {
					signal.throwIfAborted();
					answer = await deliver(
						new Request(url + path, {
							method,
							body: body ? new Blob([JSON.stringify(body)], {type: "application/json"}) : null,
							credentials: jar ? "omit" : "include",
							cache: "no-store",
							signal: stop.signal,
						}),
					);
					const text = await answer.reply.text();
					const told = parse(answer.reply, text, read);
					if (told instanceof SessionError) throw told;
					return {...answer, told};
				} catch (error) {
					const failure =
						error instanceof SessionError
							? error
							: new SessionError(0, signal.aborted ? "closed" : "network", String(error), {}, error);
					const ms = pause(failure.status, attempt, answer?.reply.headers.get("Retry-After"));
					if (!ms || attempt >= retries || signal.aborted) throw failure;
					await sleep(ms);
				} finally {
					clearTimeout(timer);
					abort();
				}
			}
		},
	};
}
