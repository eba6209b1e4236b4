import type {EndReason} from "./types.js";

/** A call that failed. */
export class SessionError extends Error {
	/** The HTTP status; 0 where there was no answer. */
	declare readonly status: number;
	/**
	 * The last part of the problem's URN, such as `session-ended` or `not-writable`. The client's own: `network`,
	 * `closed` (after `close()`), `http` (an error that is not Sojourn's) and `invalid-answer`.
	 */
	declare readonly code: string;
	declare readonly detail: string;
	/** Why the session ended, if that is what failed. */
	declare readonly endReason: EndReason | null;

	constructor(status: number, code: string, detail: string, endReason: EndReason | null = null, cause?: unknown) {
		super(`${code}: ${detail}`, {cause});
		Object.assign(this, {name: "SessionError", status, code, detail, endReason});
	}
}

/** Whether a call of the client failed so; unlike `instanceof`, also across frames and copies of this package. */
export function isSessionError(error: unknown): error is SessionError {
	const {name, code} = Object(error) as Partial<SessionError>;
	return name === "SessionError" && typeof code === "string";
}
