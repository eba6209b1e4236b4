/** What JSON can hold, and therefore what a session can. */
export type JsonValue =
	| null
	| boolean
	| number
	| string
	| readonly JsonValue[]
	| {readonly [key: string]: JsonValue};

/** Why a session ended: the closed set that the server and every other client use. */
export type EndReason =
	| "logout"
	| "idle_timeout"
	| "absolute_timeout"
	| "revoked"
	| "replaced"
	| "token_reuse"
	| "limit";

/** With a browser's scripts (`sojourn-client/bound`), or in the device's hardware. */
export type Bound = "browser" | "hardware";

/** What every state holds; times are Unix milliseconds on the server's clock. */
export interface StateFields<Data extends object> {
	/** `loading` until the first answer, and while none has come. */
	readonly status: "loading" | "none" | "active" | "ended";
	/** The session's public name: safe to show and to log, useless as a credential. */
	readonly id: string | null;
	/** `null` in an anonymous session. */
	readonly userId: string | null;
	readonly createdAt: number | null;
	readonly authenticatedAt: number | null;
	readonly seenAt: number | null;
	/** When the session ends if nothing more happens: the idle or the absolute limit, whichever is first. */
	readonly expiresAt: number | null;
	readonly absoluteExpiresAt: number | null;
	/** Milliseconds, like every other number here. */
	readonly idleTimeout: number | null;
	/** Goes up with every change of the session's data. */
	readonly version: number | null;
	/** Where the key is that the session's token, or its renewal, needs; `null` where it needs none. Only in answers of a server. */
	readonly bound?: Bound | null;
	/** Only the keys that the server declares readable. */
	readonly data: Readonly<Partial<Data>>;
	/** From the warning until the session is extended or over: whether to show "stay signed in", however late one looks. */
	readonly expiring: boolean;
	readonly endReason: EndReason | null;
	readonly endedAt: number | null;
	/** Why the session before ended, where this one was begun in its place and nobody has logged in since. */
	readonly follows: EndReason | null;
	/** The server's clock when it made this answer. */
	readonly now: number;
}

/** A live session. */
export interface ActiveState<Data extends object> extends StateFields<Data> {
	readonly status: "active";
	readonly id: string;
	readonly createdAt: number;
	readonly version: number;
	readonly endReason: null;
}

/** A session that has ended; without a network, judged to have ended by the clock until the server can be asked. */
export interface EndedState<Data extends object> extends StateFields<Data> {
	readonly status: "ended";
	readonly endReason: EndReason;
}

/** No session, or no answer yet. */
export interface EmptyState<Data extends object> extends StateFields<Data> {
	readonly status: "loading" | "none";
	readonly id: null;
	readonly endReason: null;
}

/** The last known state of the session; narrow it by `status`. */
export type SessionState<Data extends object = Record<string, JsonValue>> =
	| ActiveState<Data>
	| EndedState<Data>
	| EmptyState<Data>;

/** One of the user's sessions, as in a list of signed-in devices. */
export interface SessionInfo {
	readonly id: string;
	/** Whether it is the session that asked. */
	readonly current: boolean;
	/** For example "Chrome on Windows": a guess from what the browser said of itself. */
	readonly device: string | null;
	readonly ip: string | null;
	readonly bound: Bound | null;
	readonly createdAt: number;
	readonly authenticatedAt: number | null;
	readonly seenAt: number;
	readonly expiresAt: number;
}

/** What `on` can listen to. */
export interface SessionEvents {
	/**
	 * The session is about to end; fired in all tabs, after the server has been asked whether it really is.
	 *
	 * WCAG 2.2.1 (Timing Adjustable) asks that the user be warned, be given at least 20 seconds to extend the time
	 * with a simple action, and be able to do so at least ten times: show a dialog whose button calls `touch()`.
	 * `touch()` cannot pass `absoluteExpiresAt`.
	 */
	expiring: {readonly secondsLeft: number};
	/**
	 * A session ended; fired once for each session in each tab, whoever ended it. `reason` is `null` where the session
	 * is gone and nobody can say why, as after the user has deleted the cookies.
	 */
	ended: {readonly reason: EndReason | null};
	/** Work that nobody awaits failed: a background refresh, or storage that the browser refused. */
	error: {readonly error: unknown};
}

/** Carries a request: anything that behaves like `fetch`, given a `Request`. */
export type Transport = (request: Request) => Promise<Response>;

/** Where the client's half of the session is kept. */
export type SessionStorageKind = "cookie" | "local" | "session" | "memory";

/** How to reach the session and how to keep it. */
export interface SessionClientOptions {
	/** Where the server mounted the session's endpoints. */
	readonly url: string;
	/**
	 * `cookie` (the default) is the only one in which an injected script cannot read the token. `cookie` and `local`
	 * are shared by all tabs; `session` and `memory` are the tab's own. All but `cookie` need bearer tokens switched on
	 * at the server.
	 */
	readonly storage?: SessionStorageKind;
	/** `xhr` cannot leave same-origin cookies out, stream, or stop at a redirect. */
	readonly transport?: "fetch" | "xhr" | Transport;
	/** How many seconds before its end `expiring` fires; 60 unless told. */
	readonly warnBefore?: number;
	/** Origins, besides that of `url`, that `fetch` may send the token to. */
	readonly origins?: readonly string[];
	/** How often to try again what is safe to repeat; 3 unless told. */
	readonly retries?: number;
	/** Seconds to wait for one answer of the session's endpoints; 15 unless told. */
	readonly timeout?: number;
}

/** The browser's half of a session. Its methods need no `this`. */
export interface SessionClient<Data extends object = Record<string, JsonValue>> {
	/** The last known state. */
	readonly state: SessionState<Data>;
	/** Calls `listener` at once and after every change, in any tab; returns its undo. */
	subscribe(listener: (state: SessionState<Data>) => void): () => void;
	/** Listens to an event; returns its undo. */
	on<Name extends keyof SessionEvents>(name: Name, listener: (event: SessionEvents[Name]) => void): () => void;
	/** Asks the server for the state; never keeps the session alive. */
	refresh(): Promise<SessionState<Data>>;
	/** Starts an anonymous session, or uses the one there is; `data` is applied to either. */
	start(data?: Partial<Data>): Promise<SessionState<Data>>;
	/** Sets keys. Calls made while a write is under way are merged into the next one, in order. */
	set(values: Partial<Data>): Promise<SessionState<Data>>;
	/** Removes keys, in order with `set`. */
	remove(...keys: (keyof Data & string)[]): Promise<SessionState<Data>>;
	/** Keeps the session alive: "stay signed in". */
	touch(): Promise<SessionState<Data>>;
	/** Ends the session here and in every tab; done already is no error. */
	logout(): Promise<SessionState<Data>>;
	/** Lists the user's sessions. */
	list(): Promise<SessionInfo[]>;
	/** Ends one of the user's sessions; `false` when there is no such live session. */
	revoke(id: string): Promise<boolean>;
	/** Ends all of the user's sessions but this one; says how many. */
	revokeOthers(): Promise<number>;
	/**
	 * The application's own requests. Sends the bearer token (to the session's origin and `origins` only) and takes up a
	 * new one. After anything but a GET, after a 401 and with a new token it refreshes the state before it resolves, so
	 * that a log-in made through it shows in all tabs at once; it waits for that two seconds at most. Never retries.
	 */
	fetch(input: string | URL | Request, init?: RequestInit): Promise<Response>;
	/** Whole seconds to the end, on the server's clock; `null` without a live session or a limit. */
	secondsLeft(): number | null;
	/** Stops timers, listeners and requests; the session itself goes on. */
	close(): void;
}
