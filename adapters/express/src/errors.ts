/** Why a session ended: a closed set, the same in every back end, the CLI and the browser. */
export type EndReason =
	| "logout"
	| "idle_timeout"
	| "absolute_timeout"
	| "revoked"
	| "replaced"
	| "token_reuse"
	| "limit";

/** A problem as the service sends it and as a browser is told it (RFC 9457). */
export interface Problem {
	status: number;
	/** The last part of the problem's URN, `urn:sojourn:problem:…`. */
	code: string;
	title: string;
	detail: string;
	/** With `session-ended` and `login-required`, where the service still knows. */
	end_reason?: EndReason;
	/** With `session-conflict`: the keys that another request changed too. */
	keys?: string[];
	/** With `data-too-large`: the bytes that the session's data would have. */
	size?: number;
	/** With `data-too-large` and `body-too-large` in bytes, with `session-limit` in sessions. */
	limit?: number;
	/** With `reauthentication-required`: how many seconds ago the log-in may have been, where that is asked. */
	max_age?: number;
	/** With `reauthentication-required`: the level that the log-in must have, where one is asked. */
	level?: string;
	/** With `reauthentication-required`: what wants a proof of its own, where one does. */
	action?: string;
	/** With `session-refused`: when to try again, in seconds. */
	retry_after?: number;
	/** With `proof-…`, and `reauthentication-required` where a cookie's session owes a proof of its key: what that must hold. */
	nonce?: string;
	/** With `proof-…`, of a session in a cookie: headers for its browser, beside the body. */
	told?: Record<string, string | string[]>;
}

/**
 * What every call of this package fails with. `code` says which failure: `session-ended`, `session-conflict`,
 * `session-limit`, `session-refused`, `data-too-large`, `login-required`, `reauthentication-required`, `store-unavailable` (also:
 * the service did not answer); and the mistakes of whoever wrote or runs the application: `invalid-data`, `session-committed`, `configuration`, `api-key-refused`, …
 * No message holds a token, a key, or a value from a session.
 */
export class SojournError extends Error {
	override readonly name = "SojournError";
	readonly code: string;
	/** The HTTP status, for Express's error handlers: 500 for a mistake, which is no answer to anybody. */
	readonly status: number;
	/** Why the session ended, if that is what failed. */
	readonly endReason: EndReason | null;
	/** Which keys another request changed too, if that is what failed (`session-conflict`). */
	readonly keys: readonly string[] | null;
	/** How many bytes the session's data would have, if that is what failed (`data-too-large`). */
	readonly size: number | null;
	/** How much is allowed, if it was too much: bytes (`data-too-large`, `body-too-large`) or sessions (`session-limit`). */
	readonly limit: number | null;
	/** How many seconds ago the log-in may have been, if that is what failed (`reauthentication-required`). */
	readonly maxAge: number | null;
	/** The level that the log-in must have, if that is what failed (`reauthentication-required`). */
	readonly level: string | null;
	/** What wants a proof of its own, if that is what failed (`reauthentication-required`). */
	readonly action: string | null;
	/** When to try again, in seconds, if that is what failed (`session-refused`). */
	readonly retryAfter: number | null;
	/** What a visitor may be told; null for a mistake. */
	readonly problem: Problem | null;

	constructor(code: string, message: string, problem: Problem | null = null, cause?: unknown) {
		super(message, cause === undefined ? undefined : {cause});
		this.code = code;
		this.status = problem?.status ?? 500;
		this.endReason = problem?.end_reason ?? null;
		this.keys = problem?.keys ?? null;
		this.size = problem?.size ?? null;
		this.limit = problem?.limit ?? null;
		this.maxAge = problem?.max_age ?? null;
		this.level = problem?.level ?? null;
		this.action = problem?.action ?? null;
		this.retryAfter = problem?.retry_after ?? null;
		this.problem = problem;
	}
}

/** A setting or the wiring is wrong. */
export function configuration(message: string): SojournError {
	return new SojournError("configuration", message);
}

/** There is no answer from the service, or none that counts. */
export function unavailable(message: string, cause?: unknown): SojournError {
	return new SojournError("store-unavailable", message, UNAVAILABLE, cause);
}

/** The session is over; what was to be written was not. */
export function ended(reason: EndReason | null): SojournError {
	const why = reason ? ` (${reason})` : "";
	const detail = `The session ended${why} while this request was at work. Its changes were not kept.`;
	const problem = {status: 401, code: "session-ended", title: "The session has ended", detail};
	return new SojournError("session-ended", detail, reason ? {...problem, end_reason: reason} : problem);
}

const UNAVAILABLE: Problem = {
	status: 503,
	code: "store-unavailable",
	title: "Sessions are not available right now",
	detail: "Try again soon. What this request was to write may be written, or not.",
};
