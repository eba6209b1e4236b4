import type {IncomingMessage} from "node:http";
import {configuration, type Problem} from "./errors.js";

const SAFE_METHODS = new Set(["GET", "HEAD", "OPTIONS"]);
const ORIGIN = /^(https?):\/\/(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::([1-9][0-9]{0,4}))?$/;

export const CROSS_ORIGIN: Problem = {
	status: 403,
	code: "cross-origin",
	title: "From another site",
	detail: "This request came from a page of another origin. If it is yours, name it in trustedOrigins.",
};

/**
 * Whether a request must be refused as another site's doing: Sec-Fetch-Site first, then Origin against Host.
 * A request with neither is no browser's, and allowed. `same-site` is refused: siblings are not trusted. A WebSocket
 * handshake is a GET that changes things, and Origin alone speaks for it.
 */
export function isCrossOrigin(req: IncomingMessage, trusted: ReadonlySet<string>): boolean {
	const {headers} = req;
	const handshake = headers.upgrade !== undefined;
	if (!handshake && SAFE_METHODS.has(req.method!)) return false;
	const {origin} = headers;
	if (origin !== undefined && trusted.has(origin)) return false;
	const site = headers["sec-fetch-site"];
	if (site !== undefined && !handshake) return site !== "same-origin" && site !== "none";
	return origin !== undefined && !isSameHost(origin, headers.host);
}

/** As URLs are compared: a port that the scheme means anyway may be said or not. */
function isSameHost(origin: string, host: string | undefined): boolean {
	const [, scheme, authority] = /^(https?):\/\/(.*)$/s.exec(origin) ?? [];
	if (scheme === undefined || host === undefined) return false;
	const unsaid = scheme === "https" ? /:443$/ : /:80$/;
	return authority!.replace(unsaid, "") === host.toLowerCase().replace(unsaid, "");
}

/** `origins` checked: scheme, host and port, exactly as a browser spells them. */
export function trustedSet(origins: readonly string[]): ReadonlySet<string> {
	if (!Array.isArray(origins)) throw configuration("trustedOrigins: give a list of origins, such as ['https://app.example.com'].");
	for (const origin of origins) {
		const [, scheme, port] = ORIGIN.exec(origin) ?? [];
		const unsaid = (scheme === "http" && port === "80") || (scheme === "https" && port === "443");
		if (scheme === undefined || unsaid || Number(port ?? 0) > 65535) {
			throw configuration(`trustedOrigins has ${JSON.stringify(origin)}: write it like 'https://app.example.com'.`);
		}
	}
	return new Set(origins);
}
