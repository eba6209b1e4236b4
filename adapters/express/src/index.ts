import type {Closing} from "./ends.js";
import type {EndReason} from "./errors.js";
import type {Callback, LoginOptions, SessionCookie} from "./session.js";
import type {Level, Proof} from "./step_up.js";

export type {Closing} from "./ends.js";
export {SojournError, type EndReason, type Problem} from "./errors.js";
export type {Options} from "./front.js";
export {requireLogin, sojourn} from "./middleware.js";
export type {Callback, LoginOptions, SessionCookie} from "./session.js";
export type {Level, Proof} from "./step_up.js";

/**
 * What your application keeps in sessions, for the types:
 * `declare module "sojourn-express" { interface SessionData { cart: string[] } }`
 */
export interface SessionData {}

/** `req.session`. Where a method takes a callback it gives it the error, if any; without one it returns a promise. */
export interface SessionMethods {
	/** The public name, safe to log. Until the session's first commit a random one, for this request alone. */
	readonly id: string;
	/** Who is logged in, or null. */
	readonly userId: string | null;
	/** When the user last proved who they are, as Unix milliseconds, or null. */
	readonly authenticatedAt: number | null;
	/** The level that the log-in proved, or null. */
	readonly loginLevel: Level | null;
	/** What the log-in proved: names like those of RFC 8176. */
	readonly loginMethods: readonly string[];
	/** Why the session of this browser ended, if it did and the service still knows. */
	readonly endReason: EndReason | null;
	readonly cookie: SessionCookie;

	/**
	 * Ties a user to a new session with a new id and token; the one before ends as `replaced`. Call it after you checked
	 * the password. The data is carried over, unless another user was logged in.
	 */
	login(userId: string, options?: LoginOptions): Promise<void>;
	login(userId: string, callback: Callback): this;
	login(userId: string, options: LoginOptions, callback: Callback): this;

	/**
	 * The user's id, where somebody is logged in, since at most `within` seconds and at this level at least. Throws a
	 * SojournError of the code `login-required` or `reauthentication-required`, each a 401; the middleware `requireLogin`
	 * answers with it.
	 */
	requireLogin(proof?: Proof): string;

	/**
	 * For what goes on for long, as an event stream: a signal that is aborted once this session is over, wherever it was ended,
	 * with a SojournError of the code `session-ended` as its reason, and its `endReason`; or once `closing`, the response or a
	 * signal, is closed. Without a session it goes by that alone.
	 */
	untilEnded(closing: Closing): AbortSignal;

	/** Allows one `useGrant(action)` in the next `within` seconds, 120 by default: after a proof that was given for it alone. */
	grantOnce(action: string, options?: {within?: number}): void;

	/**
	 * Uses up the grant for `action`, before you act: of two requests that use one grant at once, one gets past this.
	 * Fails with `reauthentication-required` where there is none.
	 */
	useGrant(action: string): Promise<void>;
	useGrant(action: string, callback: Callback): this;

	/** Ends the session: its data goes, its token opens nothing any more. What is set afterwards begins a new one. */
	logout(): Promise<void>;
	logout(callback: Callback): this;

	/** As logout, and `req.session` is undefined for the rest of the request. */
	destroy(): Promise<void>;
	destroy(callback: Callback): this;

	/**
	 * Ends the session and goes on with a new, empty one: a new object in `req.session`, as the old one goes on showing
	 * what was in it. `{keepData: true}` keeps the object, the user, the data and the timeouts, under a new id and token:
	 * for a change of rights.
	 */
	regenerate(options?: {keepData?: boolean}): Promise<void>;
	regenerate(callback: Callback): this;
	regenerate(options: {keepData?: boolean}, callback: Callback): this;

	/** Loads the session anew; what this request changed is forgotten. */
	reload(): Promise<void>;
	reload(callback: Callback): this;

	/** Writes now what was changed so far, or begins a session with nothing in it. Seldom needed. */
	save(): Promise<void>;
	save(callback: Callback): this;

	/** Adds to an integer and returns the sum as this request sees it. Parallel requests add up. */
	increment(key: string, by?: number): number;

	/** Counts this request as activity, though it is passive. */
	touch(): this;
}

export type Session = SessionMethods & Partial<SessionData>;

declare global {
	namespace Express {
		interface Request {
			session: Session;
			/** `req.session.id`. */
			readonly sessionID: string;
		}
	}
}

