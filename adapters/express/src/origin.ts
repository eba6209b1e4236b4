import type {IncomingHttpHeaders} from "node:http";
import {configuration, type Problem} from "./errors.js";

const SAFE_METHODS = new Set(["GET", "HEAD", "OPTIONS"]);
// Applications have schemes of their own: capacitor://localhost, tauri://localhost, chrome-extension://…
const ORIGIN = /^([a-z][a-z0-9+.-]*):\/\/(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::([1-9][0-9]{0,4}))?$/;
const PATH = /^\/[!"$->@-~]*$/;

const CROSS_ORIGIN: Problem = {
	status: 403,
	code: "cross-origin",
	title: "From another site",
	detail: "This request came from a page of another origin. If it is yours, name it in trustedOrigins.",
};

const HIDDEN_ORIGIN: Problem = {
	...CROSS_ORIGIN,
	detail:
		"This request came from a page that hides its origin (Origin: null). If it is yours, send it with " +
		"Referrer-Policy: same-origin in place of no-referrer, and out of no sandboxed frame.",
};

/** What of a request says where it came from, and where it goes. */
export interface Asked {
	method?: string | undefined;
	url?: string | undefined;
	originalUrl?: string | undefined;
	headers: IncomingHttpHeaders;
}

/** Whose unsafe requests are taken. */
export class Origins {
	readonly #trusted: ReadonlySet<string>;
	readonly #paths: ReadonlySet<string>;

	/** `origins` as browsers spell them: scheme, host and port. `paths`, exactly, are open to every site. */
	constructor(origins: readonly string[], paths: readonly string[]) {
		this.#trusted = checkedOrigins(origins);
		this.#paths = checkedPaths(paths);
	}

	/**
	 * Why a request must be refused as another site's doing, or null: Sec-Fetch-Site first, then Origin against Host. A
	 * request with neither is no browser's, and allowed. `same-site` is refused: siblings are not trusted. A WebSocket
	 * handshake is a GET that changes things, and Origin alone speaks for it.
	 */
	refusal(req: Asked): Problem | null {
		const {headers} = req;
		const handshake = headers.upgrade !== undefined;
		if (!handshake && SAFE_METHODS.has(req.method!)) return null;
		const {origin} = headers;
		if (origin !== undefined && this.#trusted.has(origin)) return null;
		const site = headers["sec-fetch-site"];
		const isForeign =
			site !== undefined && !handshake
				? site !== "same-origin" && site !== "none"
				: origin !== undefined && !isSameHost(origin, headers.host);
		if (!isForeign || (!handshake && this.#paths.size > 0 && this.#paths.has(pathOf(req)))) return null;
		return origin === "null" ? HIDDEN_ORIGIN : CROSS_ORIGIN;
	}
}

/** Whether it asks for data, and not for a page or a part of one. */
export function reads({method, headers}: Asked): boolean {
	return SAFE_METHODS.has(method!) && (headers["sec-fetch-dest"] ?? "empty") === "empty";
}

/** The path that the browser asked for, wherever a router is mounted; a proxy may have put the origin before it. */
export function pathOf(req: Asked): string {
	const url = req.originalUrl ?? req.url ?? "/";
	const query = url.indexOf("?");
	const path = query < 0 ? url : url.slice(0, query);
	return path.startsWith("/") ? path : path.replace(/^[^/]*(?:\/\/[^/]*)?/, "") || "/";
}

/** As URLs are compared: a port that the scheme means anyway may be said or not. */
function isSameHost(origin: string, host: string | undefined): boolean {
	const [, scheme, authority] = /^(https?):\/\/(.*)$/s.exec(origin) ?? [];
	if (scheme === undefined || host === undefined) return false;
	const unsaid = scheme === "https" ? /:443$/ : /:80$/;
	return authority!.replace(unsaid, "") === host.toLowerCase().replace(unsaid, "");
}

/** The origin that browsers see. */
export function checkedOrigin(origin: string): string {
	if (!/^https?:/.test(origin) || !isOrigin(origin)) {
		throw configuration(`publicOrigin is ${JSON.stringify(origin)}: write it like 'https://app.example.com'.`);
	}
	return origin;
}

function checkedOrigins(origins: readonly string[]): ReadonlySet<string> {
	if (!Array.isArray(origins)) throw configuration("trustedOrigins: give a list of origins, such as ['https://app.example.com'].");
	for (const origin of origins) {
		if (!isOrigin(origin)) throw configuration(`trustedOrigins has ${JSON.stringify(origin)}: write it like 'https://app.example.com'.`);
	}
	return new Set(origins);
}

function isOrigin(text: string): boolean {
	const [, scheme, port] = ORIGIN.exec(text) ?? [];
	const unsaid = (scheme === "http" && port === "80") || (scheme === "https" && port === "443");
	return scheme !== undefined && !unsaid && Number(port ?? 0) <= 65535;
}

function checkedPaths(paths: readonly string[]): ReadonlySet<string> {
	if (!Array.isArray(paths)) throw configuration("crossSitePaths: give a list of paths, such as ['/auth/callback'].");
	for (const path of paths) {
		if (typeof path !== "string" || !PATH.test(path)) {
			throw configuration(`crossSitePaths has ${JSON.stringify(path)}: write the whole path, like '/auth/callback'.`);
		}
	}
	return new Set(paths);
}
