import type {SessionError} from "./errors.js";
import {sleep} from "./tabs.js";
import type {SessionClient} from "./types.js";
import {parse, type Wire} from "./wire.js";

/**
 * The application's own requests, with an eye on whether they changed the session. `refresh`, if there is a page, asks for
 * the state, and is told whether the answer looks as if it had brought a session to another origin. `prove`, if anybody
 * can ask the user, says whether a refused request may be sent again.
 */
export function createFetch(
	deliver: Wire["deliver"],
	isBearer: boolean,
	isTrusted: (url: string) => boolean,
	refresh: ((isBringing: boolean) => Promise<unknown>) | "" | undefined,
	prove?: (refusal: SessionError) => Promise<unknown>,
): SessionClient["fetch"] {
	return async (input, init) => {
		let request = new Request(input, init);
		const isOwn = isTrusted(request.url);
		const isForeign = !request.url.startsWith(globalThis.origin + "/");
		// The session's own cookie beside a token would be ambiguous; without it, a foreign origin can keep no session.
		if (isOwn && request.credentials === "same-origin" && (isBearer || isForeign))
			request = new Request(request, {credentials: isBearer ? "omit" : "include"});
		// A body can be sent once.
		const copy = isOwn && prove && request.clone();
		let {reply: response} = await deliver(request);
		if (copy && response.status === 401 && (await prove!(parse(response, await response.clone().text()) as SessionError)))
			({reply: response} = await deliver(copy));
		const {ok, status, headers} = response;
		const mayHaveChanged = status === 401 || headers.has("Sojourn-Token") || !/^(GET|HEAD|OPTIONS)$/.test(request.method);
		// What sets a cookie, which no script can see, must not be stored, which each may see.
		const isBringing = isForeign && ok && headers.get("Cache-Control") === "no-store";
		// The answer is not held back for long by a server that has just become slow.
		if (isOwn && mayHaveChanged && refresh) await Promise.race([refresh(isBringing), sleep(2_000)]);
		return response;
	};
}
