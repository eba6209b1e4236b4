import type {EndReason, SessionState} from "./types.js";

// An answer later than this is never a slow one that lost a race: it wins even where versions went back,
// as after a fail-over that lost a write.
export const RACE = 10_000;

/** What each key holds, where it is not `null`. */
const LIKE = {
	...{id: "", userId: "", endReason: "", follows: ""},
	...{seenAt: 0, createdAt: 0, authenticatedAt: 0, expiresAt: 0, absoluteExpiresAt: 0, endedAt: 0, idleTimeout: 0, version: 0},
};

export const LOADING: SessionState<any> = {
	...(Object.fromEntries(Object.keys(LIKE).map((key) => [key, null])) as any),
	status: "loading",
	expiring: false,
	data: {},
	now: 0,
};

/** A value, if it is a state, and not what a gateway, a service worker or a stranger in our channel has to say. */
export function asState(value: any): SessionState<any> | undefined {
	const isWhole =
		value.status === "none"
			? !value.id
			: value.id &&
				(value.status === "ended" ? value.endReason : value.status === "active" && value.version && !value.endReason);
	return isWhole &&
		Number.isFinite(value.now) &&
		Object.entries(LIKE).every(([key, like]) => typeof (value[key] ?? like) === typeof like) &&
		/^{/.test(JSON.stringify(value.data))
		? value
		: undefined;
}

/**
 * Whether an answer may replace what is known. `now` alone does not say: an answer made later may have read the
 * session earlier, or been asked for earlier. Within a session its own order counts, between sessions that of their
 * beginnings, and a session beats none, if it is not the one that is known to have ended.
 */
export function isNewer(next: SessionState<any>, known: SessionState<any>, endedId?: string | null): boolean {
	const gap = next.now - known.now;
	if (gap > RACE) return true;
	if (!next.id || !known.id) return gap >= 0 || (!!next.id && next.id !== endedId);
	if (next.id !== known.id) return (next.createdAt! - known.createdAt! || gap) >= 0;
	if (next.status !== known.status) return next.status === "ended";
	return (next.version! - known.version! || next.seenAt! - known.seenAt! || gap) >= 0;
}

/** What is compared to see whether a state has changed: all but the time of the answer. */
export const gist = (state: SessionState<any>): string => JSON.stringify({...state, now: 0});

/** Why a session that is past its end must have ended, where the server does not say; `null` if it is not past it. */
export function presumedReason({expiresAt, absoluteExpiresAt}: SessionState<any>, now: number): EndReason | null {
	if (!expiresAt || now < expiresAt) return null;
	return expiresAt === absoluteExpiresAt ? "absolute_timeout" : "idle_timeout";
}

/** Whole seconds to the end of a live session. */
export function secondsLeft({status, expiresAt}: SessionState<any>, now: number): number | null {
	return status === "active" && expiresAt ? Math.max(0, Math.ceil((expiresAt - now) / 1000)) : null;
}
