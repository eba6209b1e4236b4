import {isDeepStrictEqual} from "node:util";
import {json, type Data} from "./changes.js";
import type {Closing} from "./ends.js";
import {configuration, SojournError, type EndReason} from "./errors.js";
import type {Exchange} from "./exchange.js";
import {checkGrant, checkLogin, grantKey, isLevel, type Level, type Proof} from "./step_up.js";
import type {Action, SessionState} from "./wire.js";

/** Called when it is done, with the error if there was one. */
export type Callback = (error?: SojournError) => void;

/** What a log-in is to be. */
export interface LoginOptions {
	/** The policy's longer timeouts, and a cookie that outlives the browser. */
	remember?: boolean;
	/** How sure it is who it is, after what was proved. */
	level?: Level;
	/** What was proved: up to 16 names like those of RFC 8176, `["pwd", "otp"]` say. */
	methods?: readonly string[];
	/** The keys of the data that come along; all, where it is not given. */
	keep?: readonly string[];
}

/** When the session runs out. Set by the service's policy; only to be read. */
export interface SessionCookie {
	/** Milliseconds from now; null where there is no session yet. */
	readonly maxAge: number | null;
	readonly expires: Date | null;
	readonly originalMaxAge: number | null;
}

/** Where a request keeps its session. */
export interface Holder {
	/** null once the handler is done with sessions. */
	session: SessionObject | null;
	/** Whether handlers take the session from here, as from `req.session`, and so find another there after `regenerate`. */
	readonly isAsked: boolean;
	/** Whether the object of a session that was regenerated was changed since: what is set there is not kept. */
	isFormerChanged: () => boolean;
}

/**
 * `req.session`: its own enumerable keys are the data. Changes, nested ones too, are found by comparing and are written
 * before the answer's first byte. Every method that asks the service takes a callback, or returns a promise.
 */
export class SessionObject {
	readonly #exchange: Exchange;
	readonly #holder: Holder;
	/** What it was, once it is over and another took its place in the request. */
	#was: {id: string; state: SessionState | null} | null = null;

	constructor(exchange: Exchange, data: Data, holder: Holder) {
		this.#exchange = exchange;
		this.#holder = holder;
		this.#adopt(data);
	}

	/** The public name, safe to log. Until the session's first commit a random one, for this request alone. */
	get id(): string {
		return (this.#was ?? this.#exchange).id;
	}

	/** Who is logged in, or null. */
	get userId(): string | null {
		return (this.#was ?? this.#exchange).state?.user_id ?? null;
	}

	/** When the user last proved who they are, as Unix milliseconds, or null. */
	get authenticatedAt(): number | null {
		return (this.#was ?? this.#exchange).state?.authenticated_at ?? null;
	}

	/** The level that the log-in proved, or null. */
	get loginLevel(): Level | null {
		return (this.#was ?? this.#exchange).state?.level ?? null;
	}

	/** What the log-in proved: names like those of RFC 8176. */
	get loginMethods(): readonly string[] {
		return (this.#was ?? this.#exchange).state?.methods ?? [];
	}

	/** Why the session of this browser ended, if it did and the service still knows. */
	get endReason(): EndReason | null {
		return this.#exchange.endReason;
	}

	get cookie(): SessionCookie {
		return cookieOf(this.#exchange);
	}

	/** Adds to an integer, a missing one counting as 0, and returns the sum as this request sees it. Parallel requests add up. */
	increment(key: string, by = 1): number {
		if (RESERVED.has(key)) throw reserved(key);
		return this.#exchange.baseline.increment(this as unknown as Data, key, by);
	}

	/** Counts this request as activity, though it is passive. */
	touch(): this {
		this.#exchange.passive = false;
		return this;
	}

	/** Writes now what was changed so far, or begins a session with nothing in it. */
	save(callback?: Callback): unknown {
		return this.#answer(callback, async () => {
			await this.#commit({type: "start"});
			if (this.#exchange.state === null) this.#adopt({});
		});
	}

	/** Loads the session anew; what this request changed is forgotten. */
	reload(callback?: Callback): unknown {
		return this.#answer(callback, async () => {
			try {
				this.#adopt(await this.#exchange.reload());
			} catch (error) {
				if (this.#exchange.state === null) this.#adopt({});
				throw error;
			}
		});
	}

	/**
	 * Ends this session and goes on with a new, empty one in `req.session`, as express-session does: this object goes on
	 * showing what was in the old one. `{keepData: true}` keeps the user, the data and the timeouts, under a new id and
	 * token: for a change of rights.
	 */
	regenerate(options?: {keepData?: boolean} | Callback, callback?: Callback): unknown {
		if (typeof options === "function") return this.regenerate({}, options);
		if (options?.keepData) return this.#answer(callback, () => this.#act({type: "regenerate"}));
		return this.#answer(callback, () => {
			const isNone = this.#exchange.state === null;
			if (!this.#holder.isAsked) return isNone ? Promise.resolve(this.#adopt({})) : this.#end();
			this.#leave();
			const next = new SessionObject(this.#exchange, {}, this.#holder);
			this.#holder.session = next;
			return isNone ? Promise.resolve() : next.#end();
		});
	}

	/**
	 * Ties a user to a new session with a new id and token; the one before ends as `replaced`. Call it after you checked
	 * the password. The data is carried over, unless another user was logged in.
	 */
	login(userId: string, options?: LoginOptions | Callback, callback?: Callback): unknown {
		if (typeof options === "function") return this.login(userId, {}, options);
		if (typeof userId !== "string" || userId.length < 1 || userId.length > 255) {
			throw configuration("session.login(userId) needs text of 1 to 255 characters: String(user.id), say.");
		}
		const {remember = false, level, methods, keep} = checkedLogin(options ?? {});
		const proved = {...(level && {level}), ...(methods && {methods}), ...(keep && {keep})};
		return this.#answer(callback, async () => {
			if (this.userId !== null && this.userId !== userId) this.#adopt({});
			const data = this as unknown as Data;
			if (keep) for (const key of Object.keys(data)) if (!keep.includes(key)) delete data[key];
			await this.#act({type: "login", user_id: userId, remember, ...proved});
		});
	}

	/**
	 * The user's id, where somebody is logged in, since at most `within` seconds and at this level at least. Throws a
	 * SojournError of the code `login-required` or `reauthentication-required`, each a 401.
	 */
	requireLogin(proof: Proof = {}): string {
		const {state, openedAt, endReason, owed} = this.#exchange;
		return checkLogin((this.#was ?? {state}).state, openedAt, endReason, proof, owed);
	}

	/**
	 * For what goes on for long, as an event stream: a signal that is aborted once this session is over, wherever it was ended,
	 * with a SojournError of the code `session-ended` as its reason, and its `endReason`; or once `closing`, the response or a
	 * signal, is closed. Without a session it goes by that alone.
	 */
	untilEnded(closing: Closing): AbortSignal {
		const isClosing = closing instanceof AbortSignal || typeof (closing as {once?: unknown} | undefined)?.once === "function";
		if (!isClosing) throw configuration("session.untilEnded(res) needs the response, or a signal: else it would be watched for ever.");
		return this.#exchange.untilEnded(closing);
	}

	/** Allows one `useGrant(action)` in the next `within` seconds: after a proof that was given for it alone. */
	grantOnce(action: string, {within = 120}: {within?: number} = {}): void {
		const {openedAt} = this.#exchange;
		if (openedAt === null) throw configuration("session.grantOnce(action) needs a session: who proves something is logged in.");
		(this as unknown as Data)[grantKey(action)] = openedAt + Math.trunc(within * 1000);
	}

	/**
	 * Uses up the grant for `action`, before you act: of two requests that use one grant at once, one gets past this.
	 * Fails with `reauthentication-required` where there is none.
	 */
	useGrant(action: string, callback?: Callback): unknown {
		const key = grantKey(action);
		return this.#answer(callback, async () => {
			// Its removal is to be in the commit that tells that it was used.
			await this.#exchange.settled();
			const data = this as unknown as Data;
			checkGrant(action, Object.hasOwn(data, key) ? data[key] : undefined, this.#exchange.openedAt);
			delete data[key];
			await this.#commit(null, [key]);
		});
	}

	/** Ends the session: its data goes, its token opens nothing any more. What is set afterwards begins a new one. */
	logout(callback?: Callback): unknown {
		return this.#answer(callback, () => this.#end());
	}

	/** As logout, and this request is done with sessions: `req.session` is undefined, as in express-session. */
	destroy(callback?: Callback): unknown {
		if (!this.#holder.isAsked) return this.logout(callback);
		return this.#answer(callback, async () => {
			this.#leave();
			this.#holder.session = null;
			this.#exchange.baseline.load({});
			await this.#exchange.commit({}, {type: "logout"});
		});
	}

	/** Goes on showing what is in it; the next session is another object's. */
	#leave(): void {
		const {id, state} = this.#exchange;
		this.#was = {id, state};
		const before = json(this);
		this.#holder.isFormerChanged = () => json(this) !== before;
	}

	/** What is set from now on, even while the service is asked, is the next session's. */
	async #end(): Promise<void> {
		this.#adopt({});
		await this.#commit({type: "logout"});
	}

	async #act(action: Action): Promise<void> {
		const data = (await this.#commit(action)) ?? {};
		this.#adopt(data, this.#exchange.baseline.changedKeys(this as unknown as Data));
	}

	async #commit(action: Action | null, used: readonly string[] = []): Promise<Data | null> {
		const data = this as unknown as Data;
		try {
			return await this.#exchange.commit(data, action, used);
		} catch (error) {
			// What was refused is not tried again, unless the service merely did not answer.
			if ((error as SojournError).code !== "store-unavailable") this.#adopt(this.#exchange.baseline.values());
			throw error;
		}
	}

	/**
	 * Takes `loaded` as what this session holds, but for the keys `set` since it was asked for. Values that are the same
	 * stay the same objects: a handler may hold them.
	 */
	#adopt(loaded: Data, set: ReadonlySet<string> = NONE): void {
		const data = this as unknown as Data;
		for (const key of Object.keys(data)) if (!Object.hasOwn(loaded, key) && !set.has(key)) delete data[key];
		const base: Data = Object.create(null);
		for (const key of Object.keys(loaded)) {
			if (RESERVED.has(key)) continue;
			const kept = set.has(key);
			if (!kept && !(Object.hasOwn(data, key) && isDeepStrictEqual(data[key], loaded[key]))) data[key] = loaded[key];
			base[key] = kept ? loaded[key] : data[key];
		}
		this.#exchange.baseline.load(base);
	}

	#answer(callback: Callback | undefined, work: () => Promise<void>): unknown {
		if (this.#was) throw configuration("This is the object of a session that is over: use req.session.");
		const done = work();
		if (callback) {
			// Out of the promise's hands: what the callback throws is the application's.
			done.then(
				() => process.nextTick(callback),
				(error: SojournError) => process.nextTick(callback, error),
			);
			return this;
		}
		const asked = new Asked<void>((resolve, reject) => done.then(resolve, reject));
		// Not to wait is express-session's habit, and no reason to end the process: the answer will tell of it.
		done.catch(() => (this.#exchange.isHeard = () => asked.isHeard));
		return asked;
	}
}

function checkedLogin(options: LoginOptions): LoginOptions {
	const {level, methods, keep} = options;
	if (level !== undefined && !isLevel(level)) throw configuration("session.login(userId, {level}) needs one of aal1, aal2 and aal3.");
	const isNamed = methods === undefined || (Array.isArray(methods) && methods.length <= 16 && methods.every(isMethod));
	if (!isNamed) throw configuration('session.login(userId, {methods}) needs up to 16 names like those of RFC 8176: ["pwd", "otp"], say.');
	const isKeys = keep === undefined || (Array.isArray(keep) && keep.every((key) => typeof key === "string"));
	if (!isKeys) throw configuration('session.login(userId, {keep}) needs a list of keys: ["cart"], say.');
	return options;
}

function isMethod(name: unknown): boolean {
	return typeof name === "string" && /^[!-~]{1,32}$/.test(name);
}

/** A promise that knows whether anybody waits for it. */
class Asked<Result> extends Promise<Result> {
	isHeard = false;

	constructor(work: (resolve: (result: Result) => void, reject: (error: unknown) => void) => void) {
		super(work);
		super.then(undefined, () => {});
	}

	static override get [Symbol.species](): PromiseConstructor {
		return Promise;
	}

	override then<A = Result, B = never>(
		resolved?: ((result: Result) => A | PromiseLike<A>) | null,
		rejected?: ((error: any) => B | PromiseLike<B>) | null,
	): Promise<A | B> {
		this.isHeard = true;
		return super.then(resolved, rejected);
	}
}

export function cookieOf(exchange: Exchange): SessionCookie {
	const {state} = exchange;
	const readOnly = () => {
		throw configuration("The service's policy says how long sessions last: session.login(userId, {remember: true}) asks for longer.");
	};
	return Object.defineProperties({} as SessionCookie, {
		expires: {enumerable: true, get: () => (state ? new Date(state.expires_at) : null), set: readOnly},
		maxAge: {enumerable: true, get: () => (state ? state.expires_at - Date.now() : null), set: readOnly},
		originalMaxAge: {enumerable: true, get: () => state?.idle_timeout ?? null, set: readOnly},
	});
}

function reserved(name: string): SojournError {
	return configuration(`session.${name} is the session's own: keep data under another name.`);
}

const NONE: ReadonlySet<string> = new Set();

/** Names that hold no data. A key of the store that bears one is left as it is, and not seen from here. */
export const RESERVED: ReadonlySet<string> = new Set([
	"__proto__",
	...Object.getOwnPropertyNames(SessionObject.prototype).filter((name) => name !== "constructor"),
]);

// A key that came from outside must not take the place of a method, nor vanish in silence in sloppy code.
for (const name of RESERVED) {
	const {get, value} = Object.getOwnPropertyDescriptor(SessionObject.prototype, name) ?? {value: SessionObject.prototype};
	Object.defineProperty(SessionObject.prototype, name, {
		configurable: true,
		enumerable: false,
		get: get ?? (() => value),
		set() {
			throw reserved(name);
		},
	});
}
Object.defineProperty(SessionObject, "name", {value: "Session"});
