import {createHmac, randomBytes, randomUUID} from "node:crypto";
import type {ServerResponse} from "node:http";
import expressSession, {Store, type SessionData as ExpressData} from "express-session";
import type {Data} from "./changes.js";
import {configuration, ended, SojournError} from "./errors.js";
import type {Exchange} from "./exchange.js";
import {Front, keepsChanges, type Options} from "./front.js";
import {canAnswer, commitBeforeFirstByte, open, type Next, type Request} from "./middleware.js";
import type {Action} from "./wire.js";

type Done = (error?: any) => void;
type Given = ExpressData & {req?: object; id?: string};
/** A request as express-session leaves it; handlers may have put null into it. */
type Shown = {session?: Given | null; sessionID?: unknown};

const NAME = "sojourn.sid";
const OURS = ["store", "secret", "name", "genid", "cookie", "unset"];

/**
 * A store for those who keep express-session itself: `app.use(store.session({resave: false, saveUninitialized: false}))`.
 * The browser holds Sojourn's cookie alone, so that other back ends share the session.
 */
export class SojournStore extends Store {
	/** Set by express-session: puts a new session into the request. */
	declare generate: (req: any) => void;
	readonly #front: Front;
	readonly #visits = new WeakMap<object, Visit>();
	#entering: Visit | null = null;
	#isMounting = false;

	constructor(options: Options) {
		super();
		this.#front = new Front(options);
		let generate: (req: any) => void;
		Object.defineProperty(this, "generate", {
			get: () => generate,
			set: (given) => {
				if (!this.#isMounting) throw configuration("session({store}) finds no session again: app.use(store.session({…})), in its place.");
				generate = given;
			},
		});
	}

	/** express-session's middleware, over this store. */
	session(options: Omit<expressSession.SessionOptions, "store" | "secret" | "name" | "genid" | "cookie" | "unset">): (
		req: any,
		res: any,
		next: (error?: any) => void,
	) => void {
		const taken = OURS.find((name) => name in options);
		if (taken) throw configuration(`store.session({${taken}: …}): leave it out. The service makes the cookie, the id and their end.`);
		const secret = randomBytes(32).toString("hex");
		const genid = (req: object) => this.#visits.get(req)!.renew();
		this.#isMounting = true;
		const middleware = expressSession({...options, store: this, secret, name: NAME, genid});
		this.#isMounting = false;
		const savesAll = options.saveUninitialized ?? true;
		return (req: Request, res: ServerResponse, next: Next) => {
			if (req.session) return next();
			open(this.#front, req, res, next, (exchange, data) => {
				// Who looks at express-session's session is not known.
				exchange.accessed = true;
				const visit = new Visit(this, exchange, data, savesAll);
				this.#visits.set(req, visit);
				commitBeforeFirstByte(req, res, exchange, (status) => visit.hold(req as Shown, status), () => hideCookie(res));
				const go = (error?: unknown) => {
					if (canAnswer(res)) visit.watchEnd(res);
					next(error);
				};
				this.#enter(visit, req, secret, (enter) => middleware(req as never, res as never, enter), go);
			});
		};
	}

	/** Who is logged in in this request's session, or null. */
	userId(req: object): string | null {
		return this.#visits.get(req)?.exchange.state?.user_id ?? null;
	}

	/** express-session looks for its own cookie: it is shown one, as long as it looks. */
	#enter(visit: Visit, req: Request, secret: string, run: (next: Next) => void, next: Next): void {
		const {cookie} = req.headers;
		const signature = createHmac("sha256", secret).update(visit.id).digest("base64").replace(/=+$/, "");
		const shown = visit.exchange.state && `${NAME}=${encodeURIComponent(`s:${visit.id}.${signature}`)}`;
		const leave = () => {
			if (cookie === undefined) delete req.headers.cookie;
			else req.headers.cookie = cookie;
			this.#entering = null;
			Object.assign(req, {sessionStore: visit});
		};
		req.headers.cookie = shown ?? "";
		this.#entering = visit;
		run((error) => {
			leave();
			next(error);
		});
		leave();
	}

	override get(id: string, done: (error: any, session?: ExpressData | null) => void): void {
		if (this.#entering) this.#entering.get(id, done);
		else done(configuration("A session is opened by its token, so only within its own request: req.sessionStore, or req.session."));
	}

	override set(id: string, session: Given, done: Done = () => {}): void {
		const visit = this.#visits.get(session.req ?? session);
		if (visit) visit.set(id, session, done);
		else done(ended(null));
	}

	override touch(id: string, session: Given, done: Done = () => {}): void {
		const visit = this.#visits.get(session.req ?? session);
		if (visit) visit.touch(id, session, done);
		else done();
	}

	override destroy(_id: string, done: Done = () => {}): void {
		done(configuration("A session is ended within its own request: req.session.destroy()."));
	}
}

/** The store as one request sees it. */
class Visit extends Store {
	readonly exchange: Exchange;
	readonly #store: SojournStore;
	/** The data as it was opened, until express-session asked for it. */
	#opened: Data | null;
	#id: string;
	#pending: Promise<void> | null = null;
	#held = false;
	readonly #savesAll: boolean;
	/** Whether express-session saves because the answer ends, and the answer keeps no change. */
	#isFailing = false;

	constructor(store: SojournStore, exchange: Exchange, data: Data, savesAll: boolean) {
		super();
		this.#store = store;
		this.exchange = exchange;
		this.#savesAll = savesAll;
		this.#opened = data;
		this.#id = exchange.state?.id ?? randomUUID();
	}

	get id(): string {
		return this.#id;
	}

	/** An id for a session that begins: a stand-in, until the service has given it one. */
	renew(): string {
		return (this.#id = randomUUID());
	}

	/**
	 * What the answer waits for: also what express-session would save only once the answer ends, which is too late for a
	 * session that begins. A failure that nobody listened to is told instead of an answer that says all is well.
	 */
	hold(req: Shown, status: number): Promise<void> | null {
		const {failure} = this.exchange;
		this.#held = true;
		const save = () => (keepsChanges(status) ? this.#saveWhatIsLeft(req) : null);
		if (this.#pending !== null) return this.#pending.then(() => save() ?? undefined);
		if (failure === null) return save();
		return failure.code === "store-unavailable" && status < 400 ? Promise.reject(failure) : null;
	}

	#saveWhatIsLeft({session, sessionID}: Shown): Promise<void> | null {
		if (session?.id !== this.#id || sessionID !== this.#id) return null;
		const {state, due, baseline} = this.exchange;
		const data = own(session);
		const isLeft = (state === null && this.#savesAll) || due || baseline.isChanged(data);
		return isLeft ? this.exchange.commit(data, {type: "start"}).then(() => {}) : null;
	}

	/** express-session saves in `end`, as it would in a handler: an answer of 500 keeps only what a handler saved. */
	watchEnd(res: ServerResponse): void {
		const {end} = res;
		res.end = ((...args: Parameters<typeof end>) => {
			this.#isFailing = !keepsChanges(res.statusCode);
			return end.apply(res, args);
		}) as typeof end;
	}

	generate(req: any): void {
		this.#store.generate(req);
	}

	override get(id: string, done: (error: any, session?: ExpressData | null) => void): void {
		const opened = this.#opened;
		this.#opened = null;
		if (id !== this.#id) return done(ended(null));
		if (opened) return done(null, this.#show(opened));
		this.exchange.reload().then(
			(data) => done(null, this.#show(data)),
			(error) => done(error),
		);
	}

	override set(id: string, session: Given, done: Done = () => {}): void {
		// A session that this request destroyed is not saved back to life.
		if (id !== this.#id) return done(ended("logout"));
		if (this.#isFailing) return done();
		this.#commit(own(session), {type: "start"}, done);
	}

	override touch(id: string, _session: Given, done: Done = () => {}): void {
		if (id === this.#id && this.exchange.due && !this.#isFailing) this.#commit(this.exchange.baseline.values(), null, done);
		else done();
	}

	override destroy(id: string, done: Done = () => {}): void {
		if (id !== this.#id) return done();
		this.#id = "";
		this.exchange.baseline.load({});
		this.#commit({}, {type: "logout"}, done);
	}

	#show(opened: Data): ExpressData {
		const {state, baseline} = this.exchange;
		const data: Data = {};
		// express-session leaves out what its own names would hide.
		for (const [key, value] of Object.entries(opened)) if (!(key in RESERVED)) data[key] = value;
		baseline.load(data);
		const cookie = {originalMaxAge: state?.idle_timeout ?? null, expires: state ? new Date(state.expires_at) : null};
		return {...data, cookie} as ExpressData;
	}

	#commit(data: Data, action: Action | null, done: Done): void {
		const commit = this.exchange.commit(data, action).then(() => {});
		const settle = (error?: SojournError) => {
			if (this.#pending === commit) this.#pending = null;
			// Once the answer waits, a failure is answered there: express-session would send what was to be sent, and
			// hand the error to a handler that cannot answer.
			process.nextTick(done, this.#held ? undefined : error);
		};
		this.#pending = commit;
		commit.then(() => settle(), settle);
	}
}

/** Names that express-session's sessions do not take from a store. */
const RESERVED: object = Object.assign(Object.create(expressSession.Session.prototype), {req: null, id: null, cookie: null});

/** The browser keeps Sojourn's cookie alone. */
function hideCookie(res: ServerResponse): void {
	const cookies = [res.getHeader("Set-Cookie") ?? []].flat().map(String);
	const kept = cookies.filter((text) => !text.startsWith(`${NAME}=`));
	if (kept.length === cookies.length) return;
	if (kept.length) res.setHeader("Set-Cookie", kept);
	else res.removeHeader("Set-Cookie");
}

function own(session: Given): Data {
	const {cookie: _, ...data} = session;
	return data as Data;
}
