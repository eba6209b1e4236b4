import {clearings} from "./cookie.js";
import type {Problem, SojournError} from "./errors.js";
import type {Header} from "./exchange.js";
import type {VisitorKey} from "./key.js";
import {pathOf, reads, type Asked} from "./origin.js";
import {unproved} from "./problem.js";
import type {Opened, ShownKey, ToldDevice, ToldKey} from "./wire.js";

const SKIPPED = /^(?:quota_exceeded|server_error|unreachable)(?:;|$)/;

/** The bound cookies beside a session's cookie of a name: each is named for one log-in, and is a time and its seal. */
export class BoundCookies {
	/** The session's own cookie. */
	readonly beside: string;
	readonly #start: string;
	readonly #shape: RegExp;

	constructor(cookieName: string) {
		this.beside = cookieName;
		this.#start = `__Host-${cookieName.replace(/^__(?:host|secure)-/i, "")}-`;
		const name = this.#start.replace(/[$*+.^|]/g, "\\$&");
		this.#shape = new RegExp(`(?<=^|; ?)${name}[\\w-]{12}=\\d{1,15}\\.[\\w-]{22}(?=;|$)`, "g");
	}

	/** Those in a Cookie header, as it has them. */
	find(header: string | undefined): string {
		return header?.includes(this.#start) ? (header.match(this.#shape) ?? []).join("; ") : "";
	}
}

/**
 * The browser's own (DBSC): it proves it by itself, and its requests show a cookie that it has for that. In another browser a
 * script's, of which some requests have a proof (DPoP), for which the cookie's token is renewed.
 */
export class DeviceKey implements VisitorKey {
	readonly #bound: BoundCookies;
	readonly #asked: Asked;
	#told: ToldDevice | null = null;
	#proved: string | null = null;

	constructor(bound: BoundCookies, asked: Asked) {
		this.#bound = bound;
		this.#asked = asked;
	}

	/** Nothing, where the browser shows nothing: nearly always. */
	get shown(): ShownKey {
		const {cookie, dpop: proof, "secure-session-skipped": said} = this.#asked.headers;
		// What this answer brings is the browser's, and this request goes on with it.
		const given = this.#told === null ? "" : this.#bound.find(this.#told.set_cookie);
		const cookies = [this.#bound.find(cookie), given].filter(Boolean).join("; ");
		const skipped = typeof said === "string" && SKIPPED.test(said) ? {skipped: said} : null;
		if (this.#proved !== null) return {proved: this.#proved, device: {cookies, ...skipped}};
		const signed = proof === undefined ? null : {signed: {method: this.#asked.method!, path: pathOf(this.#asked), proof: String(proof)}};
		return cookies || skipped || signed ? {device: {cookies, ...skipped, ...signed}} : NOTHING;
	}

	heard({proved, device}: ToldKey): void {
		this.#proved = proved ?? this.#proved;
		if (device) this.#told = device;
	}

	/** One that was shown was another key's: that is lost, and the browser is to forget the cookie. */
	wanting({owed, status}: Opened): SojournError | null {
		if (owed === undefined || status !== "none" || !reads(this.#asked)) return null;
		return this.#asked.headers.dpop === undefined ? unproved("proof-required", owed) : unproved("proof-other-key");
	}

	told(): readonly Header[] {
		if (this.#told === null) return NONE;
		const {set_cookie, registration} = this.#told;
		const told: Header[] = [["Set-Cookie", set_cookie]];
		if (registration !== null) told.push(["Secure-Session-Registration", registration]);
		return told;
	}

	/**
	 * Before it follows a link from another site, the browser renews no bound cookie: it is to ask once more, by itself.
	 * Before all else it does, if it has the key. If not, it is to forget the token, or it could not even log in.
	 */
	refused(problem: Problem): Problem {
		const {headers} = this.#asked;
		const site = headers["sec-fetch-site"];
		// A script's, which is to sign anew.
		if (problem.nonce !== undefined) return problem;
		if (problem.code === "proof-other-key" && headers.dpop !== undefined) {
			const forget = clearings(this.#bound.beside, headers.host, pathOf(this.#asked));
			return {...problem, told: {"Set-Cookie": forget, "Sojourn-Token": "none"}};
		}
		if (problem.code !== "proof-required" || headers["secure-session-skipped"] !== undefined) return {...problem, told: {}};
		if (site === undefined || site === "same-origin" || site === "none") {
			return {...problem, told: {"Set-Cookie": clearings(this.#bound.beside, headers.host, pathOf(this.#asked))}};
		}
		return {...problem, told: headers["sec-fetch-mode"] === "navigate" ? {Refresh: "0"} : {}};
	}
}

const NOTHING: ShownKey = {};
const NONE: readonly Header[] = [];
