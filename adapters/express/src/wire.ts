import type {EndReason} from "./errors.js";
import type {Level} from "./step_up.js";
import type {Wide} from "./wide.js";

/** The service's JSON, version 1. Times are Unix milliseconds. */

export type Status = "none" | "active" | "ended";

export interface SessionState {
	id: string;
	user_id: string | null;
	data: Record<string, unknown>;
	version: number;
	created_at: number;
	authenticated_at: number | null;
	seen_at: number;
	expires_at: number;
	absolute_expires_at: number;
	idle_timeout: number;
	remember: boolean;
	level: Level | null;
	methods: string[];
}

/** What the service says of the visitor's key: of a script's, or of the browser's own where it is to be told something. */
export interface ToldKey {
	proved: string | null;
	nonce: string | null;
	device?: ToldDevice;
}

export interface ToldDevice {
	/** The bound cookie, or its end: beside the session's. */
	set_cookie: string;
	/** For Secure-Session-Registration. */
	registration: string | null;
}

export interface Opened extends ToldKey {
	/** Where a cookie's session has gone without a proof for long: the nonce for the one that is asked for then. */
	owed?: string;
	status: Status;
	end_reason: EndReason | null;
	session: SessionState | null;
	commit_due: boolean;
	now: number;
	/** Not of the service: what is lost of its numbers. */
	wide: Wide | null;
}

export interface Committed extends ToldKey {
	status: Status;
	end_reason: EndReason | null;
	session: SessionState | null;
	token: string | null;
	max_age: number | null;
	clear: boolean;
	set_cookie: string | null;
	merged: string[];
	now: number;
	/** As in Opened. */
	wide: Wide | null;
}

export type Action =
	| {type: "start"}
	| {type: "login"; user_id: string; remember: boolean; level?: Level; methods?: readonly string[]; keep?: readonly string[]}
	| {type: "logout"}
	| {type: "regenerate"};

/** Kept with a session that begins. */
export interface Client {
	ip: string | null;
	user_agent: string | null;
}

/** One key: an absent `base` was not there when it was loaded, an absent `value` is removed. */
export interface Change {
	base?: unknown;
	value?: unknown;
}

/** What a visitor's request shows for its key. */
export interface Presented {
	method: string;
	/** As browsers see it, from the public origin on. */
	url: string;
	/** Its header DPoP. */
	proof: string | null;
	/** Whether its token came in `Authorization: DPoP`. */
	dpop: boolean;
}

/** What a cookie's request shows for a key of its browser's. */
export interface ShownDevice {
	/** Of its Cookie header the bound ones. */
	cookies: string;
	/** Its header Secure-Session-Skipped. */
	skipped?: string;
	/** A script's proof, by which the token is renewed: the header DPoP, for this method and whole path. */
	signed?: {method: string; path: string; proof: string};
}

/** `proved` is what an open or a commit of the same request answered so: a proof is good once. */
export interface ShownKey {
	presented?: Presented;
	proved?: string;
	device?: ShownDevice;
}

/** With a token goes what the service said last of its session, in this request: whether an end is news to it or not. */
export type Commit = ({token: string; status: Status} | {token: null}) & Written;

interface Written extends ShownKey {
	client?: Client;
	passive: boolean;
	opened_at: number | null;
	changes: Record<string, Change>;
	increments: Record<string, number>;
	/** Keys of one-time grants that this request used up, and `changes` removes. */
	used: readonly string[];
	action: Action | null;
}
