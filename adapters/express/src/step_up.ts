import {configuration, SojournError, type EndReason, type Problem} from "./errors.js";
import type {SessionState} from "./wire.js";

/** How sure it is who logged in: NIST SP 800-63B's authentication assurance levels. */
export type Level = "aal1" | "aal2" | "aal3";

/** What a log-in must be for what is asked. */
export interface Proof {
	/** How many seconds ago it may have been at most. */
	within?: number;
	/** Its level at least. */
	level?: Level;
}

const LEVELS: readonly string[] = ["aal1", "aal2", "aal3"];
/** What the keys of one-time grants begin with, in a session's data. */
const GRANT = "_grant:";

export function isLevel(level: unknown): level is Level {
	return LEVELS.includes(level as string);
}

/** Refuses what asks for nothing that a log-in can be. */
export function checkProof({within, level}: Proof): void {
	if (level !== undefined && !isLevel(level)) throw configuration("requireLogin({level}) needs one of aal1, aal2 and aal3.");
	if (within !== undefined && !(typeof within === "number" && within >= 0)) throw configuration("requireLogin({within}) needs a number of seconds.");
}

/**
 * The user's id, where the log-in is recent enough at `openedAt`, and high enough. `owed` is a nonce where the session owes a
 * proof of its key: then no log-in is enough. Throws `login-required` where nobody is logged in, and `reauthentication-required`.
 */
export function checkLogin(state: Pick<SessionState, "user_id" | "authenticated_at" | "level"> | null, openedAt: number | null, endReason: EndReason | null, proof: Proof, owed: string | null = null): string {
	checkProof(proof);
	const {within, level} = proof;
	if (!state || state.user_id === null || state.authenticated_at === null || openedAt === null) throw loginRequired(endReason);
	const isTooLow = level !== undefined && LEVELS.indexOf(state.level ?? "") < LEVELS.indexOf(level);
	const isTooOld = within !== undefined && (owed !== null || openedAt - state.authenticated_at > within * 1000);
	if (isTooLow || isTooOld) {
		const at = level === undefined ? "" : ` of level ${level}`;
		const when = within === undefined ? "" : ` in the last ${within} seconds`;
		throw reauthenticationRequired(`This needs a log-in${at}${when}. Log in again, then retry.`, {
			...(within !== undefined && {max_age: within}),
			...(level !== undefined && {level}),
			...(owed !== null && {nonce: owed}),
		});
	}
	return state.user_id;
}

/** The key of a session's data under which a one-time grant for `action` is kept. */
export function grantKey(action: string): string {
	if (typeof action !== "string" || action.length < 1 || action.length > 255) {
		throw configuration('A grant is for an action with a name of 1 to 255 characters: "transfer:42", say.');
	}
	return GRANT + action;
}

/** Refuses a grant that is not there, or good no more at `openedAt`. */
export function checkGrant(action: string, until: unknown, openedAt: number | null): void {
	if (typeof until === "number" && openedAt !== null && openedAt < until) return;
	throw reauthenticationRequired(`This needs a fresh proof of who you are, for ${JSON.stringify(action)} alone. Give it, then retry.`, {action});
}

function loginRequired(reason: EndReason | null): SojournError {
	const detail = "This needs somebody who is logged in." + (reason ? ` The session ended: ${reason}.` : "");
	const problem: Problem = {status: 401, code: "login-required", title: "Log in first", detail};
	return new SojournError("login-required", detail, reason ? {...problem, end_reason: reason} : problem);
}

function reauthenticationRequired(detail: string, asked: Pick<Problem, "max_age" | "level" | "action" | "nonce">): SojournError {
	const problem: Problem = {status: 401, code: "reauthentication-required", title: "Log in again", detail, ...asked};
	return new SojournError(problem.code, detail, problem);
}
