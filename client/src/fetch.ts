import {sleep} from "./tabs.js";
import type {SessionClient} from "./types.js";
import type {Wire} from "./wire.js";

/** The application's own requests, with an eye on whether they changed the session. */
export function createFetch(
	send: Wire["send"],
	isBearer: boolean,
	isTrusted: (url: string) => boolean,
	refresh: () => Promise<unknown>,
): SessionClient["fetch"] {
	return async (input, init) => {
		let request = new Request(input, init);
		const isOwn = isTrusted(request.url);
		// The session's own cookie beside a token would be ambiguous.
		if (isBearer && isOwn && request.credentials === "same-origin") request = new Request(request, {credentials: "omit"});
		const {response} = await send(request);
		const {status, headers} = response;
		const mayHaveChanged = status === 401 || headers.has("Sojourn-Token") || !/^(GET|HEAD|OPTIONS)$/.test(request.method);
		// The answer is not held back for long by a server that has just become slow.
		if (isOwn && mayHaveChanged) await Promise.race([refresh(), sleep(2_000)]);
		return response;
	};
}
