import {SojournError, type Problem} from "./errors.js";
import {Exchange, type Header} from "./exchange.js";
import {finish, Front, neverStored, varyWith, visitOf, type Options, type Request as Asked, type Visit} from "./front.js";
import type {Session} from "./index.js";
import {bodyOf, headersOf} from "./problem.js";

/** What a Request of the Fetch standard does not say of who sent it. */
export interface Client {
	/** The visitor's address, kept with a session that begins. */
	ip?: string | undefined;
}

/** Sessions for frameworks whose handlers take a Request and give a Response: Next, Hono, h3 and others. */
export interface Sessions {
	/**
	 * The session that a request shows, empty where it shows none. Rejects with a SojournError where the request is
	 * refused or the service is away: `refusal` makes an answer of it.
	 */
	open(request: Request, client?: Client): Promise<Session>;
	/**
	 * Writes what was changed in a session that `open` gave, and gives the response with the headers that it needs. A
	 * problem, such as a session that ended meanwhile, is given in its place. Rejects for a mistake. A response of 500 or
	 * more keeps no change.
	 */
	commit(session: Session, response: Response): Promise<Response>;
	/** Opens the session, lets `handler` answer, and commits. A problem that it throws, as `requireLogin` does, is the answer. */
	handle(request: Request, handler: (session: Session) => Response | Promise<Response>, client?: Client): Promise<Response>;
}

/** `export const {open, commit, handle} = sessions({service, key})`: once for an application, as it keeps connections. */
export function sessions(options: Options): Sessions {
	const front = new Front(options);
	const visits = new WeakMap<object, {visit: Visit; asked: Asked}>();

	async function open(request: Request, client: Client = {}): Promise<Session> {
		const asked = askedBy(request, client);
		const exchange = front.receive(asked, request);
		if (!(exchange instanceof Exchange)) throw new SojournError(exchange.code, exchange.detail, exchange);
		const visit = visitOf(exchange, await exchange.open(), false);
		const session = visit.session as unknown as Session;
		exchange.accessed = true;
		visits.set(session, {visit, asked});
		return session;
	}

	async function commit(session: Session, response: Response): Promise<Response> {
		const found = visits.get(session);
		if (!found) throw new TypeError("commit(session, response): give the session that open() gave.");
		const {visit, asked} = found;
		try {
			await finish(visit, response.status);
		} catch (error) {
			const instead = refusal(error);
			await response.body?.cancel().catch(() => {});
			response = instead;
		}
		return tell(visit, asked, response);
	}

	function tell({exchange}: Visit, asked: Asked, response: Response): Response {
		exchange.sealed = true;
		const set: Header[] = [["Vary", varyWith(response.headers.get("Vary"), exchange.vary)]];
		const told = exchange.told(asked);
		if (told.length > 0) set.push(["Cache-Control", neverStored(response.headers.get("Cache-Control"))], ...told);
		return withHeaders(response, set);
	}

	async function handle(request: Request, handler: (session: Session) => Response | Promise<Response>, client?: Client): Promise<Response> {
		let session;
		try {
			session = await open(request, client);
		} catch (error) {
			return refusal(error);
		}
		let response;
		try {
			response = await handler(session);
		} catch (error) {
			const {visit, asked} = visits.get(session)!;
			// What was committed before is told all the same: the token that the browser has may be over by that.
			return tell(visit, asked, refusal(error));
		}
		return commit(session, response);
	}

	return {open, commit, handle};
}

/** The answer to a failure that a visitor may be told of. A mistake, or anything else, is thrown again. */
export function refusal(error: unknown): Response {
	const problem: Problem | null = error instanceof SojournError ? error.problem : null;
	if (problem === null) throw error;
	const headers = new Headers({Vary: "Cookie"});
	for (const [name, value] of Object.entries(headersOf(problem))) for (const each of [value].flat()) headers.append(name, each);
	return new Response(bodyOf(problem), {status: problem.status, headers});
}

const READ = ["authorization", "cookie", "dpop", "origin", "sec-fetch-dest", "sec-fetch-mode", "sec-fetch-site", "secure-session-skipped", "sojourn-transport", "upgrade", "user-agent"];

function askedBy(request: Request, {ip}: Client): Asked {
	const url = new URL(request.url);
	const headers: Asked["headers"] = {};
	for (const name of READ) headers[name] = request.headers.get(name) ?? undefined;
	headers.host = request.headers.get("host") ?? url.host;
	return {method: request.method, url: url.pathname, headers, ip};
}

function withHeaders(response: Response, told: readonly Header[]): Response {
	const put = ({headers}: Response) => {
		for (const [name, value] of told) name === "Set-Cookie" ? headers.append(name, value) : headers.set(name, value);
	};
	try {
		put(response);
		return response;
	} catch {
		// Those of Response.redirect() and of fetch() cannot be changed.
		const copy = new Response(response.body, response);
		put(copy);
		return copy;
	}
}
