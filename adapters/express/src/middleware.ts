import type {IncomingMessage, ServerResponse} from "node:http";
import {findTokens} from "./cookie.js";
import {configuration, SojournError, type Problem} from "./errors.js";
import {Exchange} from "./exchange.js";
import {holdBack} from "./gate.js";
import {Origins, pathOf} from "./origin.js";
import {sendProblem} from "./problem.js";
import {Service, type ServiceOptions} from "./service.js";
import {SessionObject, type Holder} from "./session.js";
import type {Data} from "./changes.js";

/** A request as the options see it: Express's, or node:http's. */
export type Request = IncomingMessage & {ip?: string | undefined; path?: string; originalUrl?: string; session?: unknown};

export type Next = (error?: unknown) => void;

export interface Options extends ServiceOptions {
	/** The cookie's name at the service. Default: `__Host-session`. */
	cookieName?: string;
	/** Requests for which this returns true do not keep a session alive: polling, say. */
	passive?: (req: any) => boolean;
	/** Other origins whose pages may send unsafe requests, such as `https://app.example.com` or `capacitor://localhost`. */
	trustedOrigins?: readonly string[];
	/**
	 * Paths, exactly, to which **any site's page may send unsafe requests**: where an identity provider posts its answer
	 * to. The session's cookie does not come with them.
	 */
	crossSitePaths?: readonly string[];
	/**
	 * Switches the CSRF check off: **any site's page may then act as your users**, but for what SameSite and your own
	 * defence prevent.
	 */
	dangerouslyAllowCrossOrigin?: boolean;
}

const NOT_KEPT: Problem = {
	status: 500,
	code: "session-not-kept",
	title: "The session could not be kept",
	detail: "What this request changed was not kept, by a mistake of this application or its set-up. Its log says which.",
};

/** What stands before every request with a session, whoever shows it to the handlers. */
export class Front {
	readonly #service: Service;
	readonly #cookieName: string;
	readonly #passive: (req: any) => boolean;
	/** null: the CSRF check is off. */
	readonly #origins: Origins | null;

	constructor(options: Options) {
		this.#service = new Service(options);
		this.#cookieName = options.cookieName ?? "__Host-session";
		if (!/^[\w!#$%&'*+.^`|~-]{1,100}$/.test(this.#cookieName)) throw configuration("cookieName: letters, digits and !#$%&'*+.^_`|~- only.");
		this.#passive = options.passive ?? (() => false);
		const origins = new Origins(options.trustedOrigins ?? [], options.crossSitePaths ?? []);
		this.#origins = options.dangerouslyAllowCrossOrigin ? null : origins;
	}

	/** Opens the request's session and passes it to `then`, or answers at once where there is to be none. */
	open(req: Request, res: ServerResponse, next: Next, then: (exchange: Exchange, data: Data) => void): void {
		const refusal = this.#origins?.refusal(req);
		if (refusal) return refuse(res, refusal, next);
		const tokens = findTokens(req.headers.cookie, this.#cookieName);
		const exchange = new Exchange(this.#service, this.#cookieName, tokens, () => ({
			ip: req.ip ?? req.socket?.remoteAddress ?? null,
			user_agent: req.headers["user-agent"] ?? null,
		}));
		if (this.#passive(req)) exchange.passive = true;
		if (tokens === null) return then(exchange, {});
		exchange.open().then(
			(data) => then(exchange, data),
			(error: SojournError) => (error.problem && canAnswer(res) ? refuse(res, error.problem, next) : next(error)),
		);
	}
}

/**
 * Puts the session into `req.session`, and writes what a request changed before its answer's first byte.
 * Where the service is away, a request that shows a token is answered with 503, and never taken for a visitor's.
 */
export function sojourn(options: Options): (req: any, res: any, next: (error?: any) => void) => void {
	const front = new Front(options);
	return function sojourn(req: Request, res: ServerResponse, next: Next): void {
		if (req.session instanceof SessionObject) return next();
		if (req.session) return next(configuration("req.session is there already: use express-session or sojourn, not both."));
		front.open(req, res, next, (exchange, data) => {
			const visit = visitOf(exchange, data);
			(req as Visited)[VISIT] = visit;
			Object.defineProperties(req, PROPERTIES);
			commitBeforeFirstByte(req, res, exchange, (status) => finish(visit, status));
			next();
		});
	};
}

/** A request's session, and what is done with it. */
export interface Visit extends Holder {
	exchange: Exchange;
}

export function visitOf(exchange: Exchange, data: Data): Visit {
	const visit: Visit = {exchange, session: null, isFormerChanged: no};
	visit.session = new SessionObject(exchange, data, visit);
	return visit;
}

/** Writes what is left to write before an answer with `status`; null where that is nothing. */
export function finish(visit: Visit, status: number): Promise<void> | null {
	const {exchange} = visit;
	if (visit.isFormerChanged()) process.emitWarning(FORMER, "SojournWarning");
	// Where a handler is done with it, the session is to stay as it was.
	const dataNow = () => (visit.session as Data | null) ?? exchange.baseline.values();
	const kept = keepsChanges(status) ? dataNow : null;
	return exchange.isBusy(kept && kept()) ? exchange.finish(kept) : null;
}

/** Frameworks answer a handler's exception with such a status: what it had done so far is no whole. */
export function keepsChanges(status: number): boolean {
	return status < 500;
}

const no = () => false;
const FORMER = "A session was changed after it was regenerated or destroyed: that is not kept. Take req.session anew.";

const VISIT = Symbol("sojourn");
type Visited = Request & {[VISIT]: Visit};

const PROPERTIES: PropertyDescriptorMap & ThisType<Visited> = {
	session: {
		configurable: true,
		enumerable: true,
		get() {
			const visit = this[VISIT];
			visit.exchange.accessed = true;
			return visit.session ?? undefined;
		},
		set(value: unknown) {
			if (value) throw configuration("req.session cannot be replaced: change what is in it, or regenerate() it.");
			this[VISIT].session = null;
		},
	},
	sessionID: {
		configurable: true,
		enumerable: true,
		get() {
			return this[VISIT].exchange.id;
		},
	},
};

/** Holds the answer back until `before` is done, and puts into its headers what caches and the browser must know. */
export function commitBeforeFirstByte(
	req: Request,
	res: ServerResponse,
	exchange: Exchange,
	before: (status: number) => Promise<void> | null,
	tell = () => {},
): void {
	if (!canAnswer(res)) return;
	holdBack(res, {
		before,
		tell() {
			tell();
			exchange.sealed = true;
			const {isContested, setCookie} = exchange;
			if (exchange.accessed || setCookie !== null || isContested) addVary(res);
			if (setCookie === null && !isContested) return;
			res.setHeader("Cache-Control", "no-store");
			if (isContested) for (const text of exchange.clearings(req.headers.host, pathOf(req))) res.appendHeader("Set-Cookie", text);
			if (setCookie !== null) res.appendHeader("Set-Cookie", setCookie);
		},
		instead(error, end) {
			// A mistake, and no error handler can answer any more: it would go through a response that has ended.
			if (!(error instanceof SojournError && error.problem)) process.emitWarning(error as Error);
			addVary(res);
			sendProblem(res, (error as Partial<SojournError>).problem ?? NOT_KEPT, end);
		},
	});
}

/** For a WebSocket handshake, people pass {} as the response. */
export function canAnswer(res: ServerResponse): boolean {
	return typeof res.writeHead === "function";
}

function refuse(res: ServerResponse, problem: Problem, next: Next): void {
	if (!canAnswer(res)) return next(new SojournError(problem.code, problem.detail, problem));
	addVary(res);
	sendProblem(res, problem);
}

function addVary(res: ServerResponse): void {
	const header = res.getHeader("Vary");
	if (header === undefined) {
		res.setHeader("Vary", "Cookie");
		return;
	}
	const names = String(header).toLowerCase().split(/[\s,]+/);
	if (!names.includes("*") && !names.includes("cookie")) res.setHeader("Vary", `${String(header)}, Cookie`);
}
