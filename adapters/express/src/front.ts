import type {Data} from "./changes.js";
import type {Problem} from "./errors.js";
import {Exchange} from "./exchange.js";
import {Origins, type Asked} from "./origin.js";
import {Service, type ServiceOptions} from "./service.js";
import {SessionObject, type Holder} from "./session.js";
import {Transport, type TransportOptions} from "./transport.js";

/** A request, whatever framework it came through. */
export type Request = Asked & {ip?: string | undefined; socket?: {remoteAddress?: string | undefined} | null};

export interface Options extends ServiceOptions, TransportOptions {
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

/** What stands before every request with a session, whoever shows it to the handlers. */
export class Front {
	readonly #service: Service;
	readonly #transport: Transport;
	readonly #passive: (req: any) => boolean;
	/** null: the CSRF check is off. */
	readonly #origins: Origins | null;

	constructor(options: Options) {
		this.#service = new Service(options);
		this.#transport = new Transport(options);
		this.#passive = options.passive ?? (() => false);
		const origins = new Origins(options.trustedOrigins ?? [], options.crossSitePaths ?? []);
		this.#origins = options.dangerouslyAllowCrossOrigin ? null : origins;
	}

	/** Why the request is refused, or its exchange, to be opened. `shown` is what the option `passive` is asked about. */
	receive(req: Request, shown: unknown = req): Problem | Exchange {
		const transport = this.#transport;
		const isBearer = transport.isBearer(req);
		const refusal = isBearer ? transport.refusal(req) : this.#origins?.refusal(req);
		if (refusal) return refusal;
		const exchange = new Exchange(this.#service, transport, transport.shown(req, isBearer), () => ({
			ip: req.ip ?? req.socket?.remoteAddress ?? null,
			user_agent: req.headers["user-agent"] ?? null,
		}));
		if (this.#passive(shown)) exchange.passive = true;
		return exchange;
	}
}

/** A request's session, and what is done with it. */
export interface Visit extends Holder {
	exchange: Exchange;
}

/** `isAsked`: see Holder. */
export function visitOf(exchange: Exchange, data: Data, isAsked = true): Visit {
	const visit: Visit = {exchange, session: null, isAsked, isFormerChanged: no};
	visit.session = new SessionObject(exchange, data, visit);
	return visit;
}

const no = () => false;
const FORMER = "A session was changed after it was regenerated or destroyed: that is not kept. Take req.session anew.";

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

/** Cache-Control as it is to be, where it was `header`: no cache keeps the answer. What says so itself, and maybe more, stays. */
export function neverStored(header: string | null): string {
	const words = (header ?? "").toLowerCase().split(",").map((word) => word.trim());
	return header !== null && words.includes("no-store") ? header : "no-store";
}

/** Vary as it is to be, where it was `header`: the answer depends on the session, which came in one of `names`. */
export function varyWith(header: string | null, names = "Cookie"): string {
	if (!header) return names;
	const said = header.toLowerCase().split(/[\s,]+/);
	if (said.includes("*")) return header;
	return [header, ...names.split(", ").filter((name) => !said.includes(name.toLowerCase()))].join(", ");
}
