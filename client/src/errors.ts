import type {EndReason} from "./types.js";

/** What can go wrong: the client's own codes, then the problems that Sojourn's servers answer with. */
export type SessionErrorCode =
	/** No answer came. */
	| "network"
	/** `close()` was called. */
	| "closed"
	/** An error answer that is not Sojourn's. */
	| "http"
	/** A good answer that is not Sojourn's: of a gateway, a service worker, a log-in page. Nothing was taken from it. */
	| "invalid-answer"
	/** Of an event: a session was begun, and the browser did not keep its cookie. */
	| "cookie-not-kept"
	/** Of an event: a session was begun, and CORS hides the `Sojourn-Token` of its answer. */
	| "token-not-exposed"
	| "ambiguous-token"
	| "bearer-not-enabled"
	| "body-too-large"
	| "cross-origin"
	| "data-too-large"
	| "invalid-body"
	| "invalid-data"
	| "login-required"
	| "method-not-allowed"
	| "no-events"
	| "no-session"
	| "not-found"
	| "not-writable"
	| "reauthentication-required"
	| "session-conflict"
	| "session-ended"
	| "session-limit"
	| "session-refused"
	| "store-unavailable"
	| "unsupported-media-type"
	/** The session is bound to a key, which the request did not prove. */
	| `proof-${string}`;

/** A call that failed. */
export class SessionError extends Error {
	/** The HTTP status; 0 where there was no answer. */
	declare readonly status: number;
	/** For a program: the last part of the problem's URN, or one of the client's own. */
	declare readonly code: SessionErrorCode;
	/** For a person, where the server said something. */
	declare readonly detail: string;
	/** Why the session ended, if that is what failed. */
	declare readonly endReason: EndReason | null;
	/** Of `session-conflict` and `not-writable`: the session's keys. */
	declare readonly keys?: readonly string[];
	/** Of `data-too-large`: how many bytes it would be. */
	declare readonly size?: number;
	/** Of `data-too-large` and `body-too-large` in bytes; of `session-limit` in sessions. */
	declare readonly limit?: number;
	/** Of `reauthentication-required`: how old the log-in may be, in seconds, where that is asked. */
	declare readonly maxAge?: number;
	/** Of `reauthentication-required`: the level that the log-in must have, where one is asked. */
	declare readonly level?: string;
	/** Of `reauthentication-required`: what wants a proof of its own, where one does. */
	declare readonly action?: string;
	/** Of `session-refused`: when to try again, in seconds. */
	declare readonly retryAfter?: number;

	/** `problem` is the server's answer, its names spelled as here. */
	constructor(status: number, code: SessionErrorCode, detail: string = "", problem?: object, cause?: unknown) {
		super(code + ": " + detail, {cause});
		Object.assign(this, {endReason: null}, problem, {name: "SessionError", status, code, detail});
	}
}

/** Whether a call of the client failed so; unlike `instanceof`, also across frames and copies of this package. */
export function isSessionError(error: unknown): error is SessionError {
	return Object(error).name === "SessionError";
}
