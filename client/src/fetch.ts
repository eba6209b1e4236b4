import {sleep} from "./tabs.js";
import type {SessionClient} from "./types.js";
import type {Wire} from "./wire.js";

/**
 * The application's own requests, with an eye on whether they changed the session. `refresh`, if there is a page, asks for
 * the state, and is told whether the answer looks as if it had brought a session to another origin.
 */
export function createFetch(
	deliver: Wire["deliver"],
	isBearer: boolean,
	isTrusted: (url: string) => boolean,
	refresh: ((isBringing: boolean) => Promise<unknown>) | "" | undefined,
): SessionClient["fetch"] {
	return async (input, init) => {
		let request = new Request(input, init);
		const isOwn = isTrusted(request.url);
		const isForeign = new URL(request.url).origin !== globalThis.origin;
		// The session's own cookie beside a token would be ambiguous; without it, a foreign origin can keep no session.
		if (isOwn && request.credentials === "same-origin" && (isBearer || isForeign))
			request = new Request(request, {credentials: isBearer ? "omit" : "include"});
		const {reply: response} = await deliver(request);
		const {headers} = response;
		const mayHaveChanged = response.status === 401 || headers.has("Sojourn-Token") || !/^(GET|HEAD|OPTIONS)$/.test(request.method);
		// What sets a cookie, which no script can see, must not be stored, which each may see.
		const isBringing = isForeign && response.ok && /(^|[, ])no-store\b/i.test(headers.get("Cache-Control")!);
		// The answer is not held back for long by a server that has just become slow.
		if (isOwn && mayHaveChanged && refresh) await Promise.race([refresh(isBringing), sleep(2_000)]);
		return response;
	};
}
