import {idOf} from "./cookie.js";
import type {SojournError} from "./errors.js";
import {isOfProof} from "./problem.js";
import type {Service} from "./service.js";
import type {Opened, ShownKey} from "./wire.js";

/** More are nobody's cookies. */
const MOST = 8;

/** What came of several tokens in one request. */
export interface Found {
	/** The one that counts, and what it opens. */
	token: string | null;
	opened: Opened | null;
	/** Those that are live and do not count, as there are several. */
	live: readonly string[];
}

/**
 * Opens the tokens of a request that shows several. The only one that opens a live session counts. Of several live ones
 * none does: which of them somebody else put there, nobody can know.
 */
export async function openRivals(service: Service, tokens: readonly string[], key?: ShownKey): Promise<Found> {
	if (tokens.length > MOST) return {token: null, opened: null, live: []};
	const bySession = new Map<string, string[]>();
	// Browsers send the newer cookie later. Of one session's two secrets, the older may be taken for a thief's.
	for (const token of [...tokens].reverse()) {
		const others = bySession.get(idOf(token));
		if (others) others.push(token);
		else bySession.set(idOf(token), [token]);
	}
	const found = await Promise.all([...bySession.values()].map((secrets) => openFirst(service, secrets, key)));
	const live = found.filter(({opened}) => opened.status === "active");
	if (live.length > 1) return {token: null, opened: null, live: live.map(({token}) => token)};
	return {...(live[0] ?? found.find(({opened}) => opened.status === "ended") ?? found[0]!), live: []};
}

/** The first of one session's tokens that opens it, or what came of the last. */
async function openFirst(service: Service, tokens: readonly string[], key?: ShownKey): Promise<{token: string; opened: Opened}> {
	const [token, ...others] = tokens;
	const opened = await service.open(token!, null, key).catch(nobodys);
	return opened.status === "active" || others.length === 0 ? {token: token!, opened} : openFirst(service, others, key);
}

/** A token that is bound to a key is nobody's without it, and ends nothing for the others. */
function nobodys(error: SojournError): Opened {
	if (isOfProof(error.code)) return NOBODYS;
	throw error;
}

const NOBODYS: Opened = {status: "none", end_reason: null, session: null, commit_due: false, proved: null, nonce: null, now: 0, wide: null};
