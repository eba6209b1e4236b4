import {findTokens, isToken} from "./cookie.js";
import {BoundCookies, DeviceKey} from "./device.js";
import {configuration, type Problem} from "./errors.js";
import {ScriptKey, type VisitorKey} from "./key.js";
import {checkedOrigin, pathOf, type Asked} from "./origin.js";

const AMBIGUOUS: Problem = {
	status: 400,
	code: "ambiguous-token",
	title: "Two tokens",
	detail: "The request holds a session token in a cookie and another in Authorization. Send one of them.",
};

const NO_BEARER: Problem = {
	status: 400,
	code: "bearer-not-enabled",
	title: "Cookies only",
	detail: "This server keeps session tokens in HttpOnly cookies. Use the client's storage 'cookie'.",
};

export interface TransportOptions {
	/** The cookie's name at the service. Default: `__Host-session`. */
	cookieName?: string;
	/**
	 * Lets scripts hold the token themselves, and send it in `Authorization`: **a script that is injected into a page can
	 * then steal it**, which it cannot with the cookie.
	 */
	scriptReadableTokens?: boolean;
	/**
	 * The origin that browsers see, such as `https://app.example.com`, for tokens that are bound to a key of the script's
	 * (DPoP), where the service's policy binds them. A proof is for one URL, and no header says which that is.
	 */
	publicOrigin?: string;
}

/** What a request shows of its session. */
export interface Shown {
	/** As findTokens gives them. */
	tokens: string | readonly string[] | null;
	/** Whether a script sent it that holds its token itself: it is told of a new one in a header, and of no cookie. */
	isBearer: boolean;
	/** null for a script, where no session is bound to one. */
	key: VisitorKey | null;
}

/** How tokens travel: in a cookie, or in Authorization too, where scripts may hold them. */
export class Transport {
	readonly cookieName: string;
	/** The headers of a request that its session depends on. */
	readonly vary: string;
	readonly #isReadable: boolean;
	readonly #publicOrigin: string | null;
	readonly #schemes: RegExp;
	readonly #bound: BoundCookies;

	constructor({cookieName = "__Host-session", scriptReadableTokens = false, publicOrigin}: TransportOptions) {
		if (!/^[\w!#$%&'*+.^`|~-]{1,100}$/.test(cookieName)) throw configuration("cookieName: letters, digits and !#$%&'*+.^_`|~- only.");
		if (publicOrigin !== undefined && !scriptReadableTokens) {
			throw configuration(
				"publicOrigin is for tokens that scripts hold: give scriptReadableTokens: true. A session in a cookie is bound by the service's settings.",
			);
		}
		this.cookieName = cookieName;
		this.#bound = new BoundCookies(cookieName);
		this.vary = scriptReadableTokens ? "Cookie, Authorization" : "Cookie";
		this.#isReadable = scriptReadableTokens;
		this.#publicOrigin = publicOrigin === undefined ? null : checkedOrigin(publicOrigin);
		// A scheme is of capitals or not, with a space after it or several (RFC 9110, section 11.4).
		this.#schemes = publicOrigin === undefined ? /^bearer +sj1-/i : /^(?:bearer|dpop) +sj1-/i;
	}

	/** Whether a script that holds its token itself sent this request. */
	isBearer({headers}: Asked): boolean {
		const {authorization} = headers;
		return (authorization !== undefined && this.#schemes.test(authorization)) || headers["sojourn-transport"] !== undefined;
	}

	/** Why a script's request is refused, or null. Other sites cannot send its headers without a preflight: no CSRF here. */
	refusal({headers}: Asked): Problem | null {
		if (!this.#isReadable) return NO_BEARER;
		// XMLHttpRequest cannot leave an old cookie at home; the client's header says which token is meant.
		const isSaid = headers["sojourn-transport"] !== undefined;
		return !isSaid && findTokens(headers.cookie, this.cookieName) !== null ? AMBIGUOUS : null;
	}

	shown(req: Asked, isBearer: boolean): Shown {
		const {headers} = req;
		if (!isBearer) return {tokens: findTokens(headers.cookie, this.cookieName), isBearer, key: new DeviceKey(this.#bound, req)};
		const [, dpop, token] = /^(?:bearer|(dpop)) +(\S+) *$/i.exec(headers.authorization ?? "") ?? [];
		const tokens = token !== undefined && isToken(token) ? token : null;
		return {tokens, isBearer, key: this.#keyOf(req, dpop !== undefined)};
	}

	#keyOf(req: Asked, dpop: boolean): VisitorKey | null {
		if (this.#publicOrigin === null) return null;
		// node:http joins several DPoP headers, as RFC 9110 has it: the service refuses what is no single proof.
		const {dpop: proof} = req.headers;
		return new ScriptKey({method: req.method!, url: this.#publicOrigin + pathOf(req), proof: proof === undefined ? null : String(proof), dpop});
	}
}
