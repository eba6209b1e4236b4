import {ServerResponse, type IncomingMessage} from "node:http";
import type {Data} from "./changes.js";
import {keepInDictionary} from "./dictionary.js";
import {configuration, SojournError, type Problem} from "./errors.js";
import {Exchange} from "./exchange.js";
import {finish, Front, neverStored, varyWith, visitOf, type Options, type Visit} from "./front.js";
import {holdBack} from "./gate.js";
import {sendProblem} from "./problem.js";
import {SessionObject} from "./session.js";
import {checkProof, type Proof} from "./step_up.js";

/** A request as the options see it: Express's, or node:http's. */
export type Request = IncomingMessage & {ip?: string | undefined; path?: string; originalUrl?: string; session?: unknown};

export type Next = (error?: unknown) => void;

const NOT_KEPT: Problem = {
	status: 500,
	code: "session-not-kept",
	title: "The session could not be kept",
	detail: "What this request changed was not kept, by a mistake of this application or its set-up. Its log says which.",
};

/**
 * Puts the session into `req.session`, and writes what a request changed before its answer's first byte.
 * Where the service is away, a request that shows a token is answered with 503, and never taken for a visitor's.
 */
export function sojourn(options: Options): (req: any, res: any, next: (error?: any) => void) => void {
	const front = new Front(options);
	return function sojourn(req: Request, res: ServerResponse, next: Next): void {
		if (req.session instanceof SessionObject) return next();
		if (req.session) return next(configuration("req.session is there already: use express-session or sojourn, not both."));
		open(front, req, res, next, (exchange, data) => {
			const visit = visitOf(exchange, data);
			if (isExpress(res)) keepInDictionary(req, "client");
			Object.defineProperty(req, VISIT, {configurable: true, value: visit});
			Object.defineProperties(req, PROPERTIES);
			commitBeforeFirstByte(req, res, exchange, (status) => finish(visit, status));
			next();
		});
	};
}

/**
 * `app.post("/email", requireLogin({within: 300}), handler)`: only where somebody is logged in, since at most `within` seconds
 * and at this `level` at least. Else the answer is a 401, `login-required` or `reauthentication-required`.
 */
export function requireLogin(proof: Proof = {}): (req: any, res: any, next: (error?: any) => void) => void {
	checkProof(proof);
	return function requireLogin(req: Request, res: ServerResponse, next: Next): void {
		const {session} = req;
		if (!(session instanceof SessionObject)) return next(configuration("There is no session: app.use(sojourn({…})) comes before requireLogin()."));
		try {
			session.requireLogin(proof);
		} catch (error) {
			const {problem} = error as SojournError;
			return problem ? refuse(res, problem, next) : next(error);
		}
		next();
	};
}

const VISIT = Symbol("sojourn");

/** What a request has of its visit, by functions that all requests share: see Hold. */
const PROPERTIES: PropertyDescriptorMap & ThisType<{[VISIT]: Visit}> = {
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

/** Opens the request's session and passes it to `then`, or answers at once where there is to be none. */
export function open(front: Front, req: Request, res: ServerResponse, next: Next, then: (exchange: Exchange, data: Data) => void): void {
	const received = front.receive(req);
	if (!(received instanceof Exchange)) return refuse(res, received, next);
	if (!received.showsToken) return then(received, {});
	received.open().then(
		(data) => then(received, data),
		(error: SojournError) => (error.problem && canAnswer(res) ? refuse(res, error.problem, next) : next(error)),
	);
}

/** Holds the answer back until `before` is done, and puts into its headers what caches and the browser must know. */
export function commitBeforeFirstByte(
	req: Request,
	res: ServerResponse,
	exchange: Exchange,
	before: (status: number) => Promise<void> | null,
	tell = () => {},
): void {
	if (!canAnswer(res)) return;
	if (isExpress(res)) keepInDictionary(res, "req");
	holdBack(res, {
		before,
		tell() {
			tell();
			exchange.sealed = true;
			if (exchange.isTold) addVary(res, exchange.vary);
			const told = exchange.told(req);
			if (told.length === 0) return;
			res.setHeader("Cache-Control", neverStored(said(res, "Cache-Control")));
			for (const [name, value] of told) name === "Set-Cookie" ? res.appendHeader(name, value) : res.setHeader(name, value);
		},
		instead(error, end) {
			// A mistake, and no error handler can answer any more: it would go through a response that has ended.
			if (!(error instanceof SojournError && error.problem)) process.emitWarning(error as Error);
			addVary(res, exchange.vary);
			sendProblem(res, (error as Partial<SojournError>).problem ?? NOT_KEPT, end);
		},
	});
}

/** Whether the prototype of the response, and so that of its request, was set. */
function isExpress(res: ServerResponse): boolean {
	return Object.getPrototypeOf(res) !== ServerResponse.prototype;
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

function addVary(res: ServerResponse, names?: string): void {
	res.setHeader("Vary", varyWith(said(res, "Vary"), names));
}

function said(res: ServerResponse, name: string): string | null {
	const header = res.getHeader(name);
	return header === undefined ? null : String(header);
}
