import {randomUUID} from "node:crypto";
import {Baseline, type Changes, type Data} from "./changes.js";
import {clearings, idOf} from "./cookie.js";
import {sessionOver, untilClosed, type Closing} from "./ends.js";
import {configuration, ended, SojournError, type EndReason} from "./errors.js";
import type {VisitorKey} from "./key.js";
import {pathOf, type Asked} from "./origin.js";
import {isOfProof} from "./problem.js";
import {openRivals} from "./rivals.js";
import type {Service} from "./service.js";
import type {Shown, Transport} from "./transport.js";
import type {Wide} from "./wide.js";
import type {Action, Client, Committed, Opened, SessionState, Status} from "./wire.js";

/** One of an answer's: its name and its value. */
export type Header = readonly [name: string, value: string];

/** What one request does with its session: one open, and a commit if there is something to write. */
export class Exchange {
	/** This request does not count as activity. */
	passive = false;
	/** Whether the handlers looked at the session: the answer then depends on it. */
	accessed = false;
	/** Whether the answer's first byte is out: nothing can be told to the browser any more. */
	sealed = false;
	status: Status = "none";
	endReason: EndReason | null = null;
	state: SessionState | null = null;
	/** Whether who asked for the last commit waits for what comes of it. */
	isHeard: () => boolean = () => true;
	readonly baseline = new Baseline();
	readonly #service: Service;
	readonly #transport: Transport;
	readonly #client: () => Client;
	readonly #isBearer: boolean;
	readonly #key: VisitorKey | null;
	#token: string | null;
	/** Other tokens that the request shows: before they are opened, and then those that are live. */
	#rivals: readonly string[] = [];
	/** Whether none of several tokens counts: the browser is to forget them all. */
	#isContested = false;
	#standIn: string | null = null;
	#openedAt: number | null = null;
	#due = false;
	#owed: string | null = null;
	#wide: Wide | null = null;
	#underWay: Promise<unknown> | null = null;
	#failure: SojournError | null = null;
	// Holds a token, and requests are printed.
	#told: Header | null = null;

	constructor(service: Service, transport: Transport, {tokens, isBearer, key}: Shown, client: () => Client) {
		this.#service = service;
		this.#transport = transport;
		this.#client = client;
		this.#isBearer = isBearer;
		this.#key = key;
		if (typeof tokens === "string" || tokens === null) this.#token = tokens;
		else {
			this.#token = null;
			this.#rivals = tokens;
		}
	}

	/** When this request opened the session, or began it, by the service's clock; null where there is none. */
	get openedAt(): number | null {
		return this.#openedAt;
	}

	/** The session's public name; a random one until it has its own, the same for all of this request. */
	get id(): string {
		return this.state?.id ?? (this.#standIn ??= randomUUID());
	}

	/** Loads the session as it now is; its data, {} where there is none. */
	async open(): Promise<Data> {
		if (this.#token === null) return this.#rivals.length > 0 && !this.#isContested ? this.#openRivals() : {};
		let opened;
		try {
			opened = await this.#service.open(this.#token, this.#openedAt, this.#key?.shown);
		} catch (error) {
			throw this.#unproved(error as SojournError);
		}
		return this.#opened(opened);
	}

	async #openRivals(): Promise<Data> {
		const {token, opened, live} = await openRivals(this.#service, this.#rivals, this.#key?.shown);
		this.#token = token;
		this.#rivals = live;
		this.#isContested = opened === null;
		return opened ? this.#opened(opened) : {};
	}

	/** Aborted once `closing` is closed, or the session is over, and why. Without a session there is nothing to end. */
	untilEnded(closing: Closing): AbortSignal {
		const ending = untilClosed(closing);
		if (this.status === "ended") ending.abort(sessionOver(this.endReason));
		else if (this.state !== null && !ending.signal.aborted) {
			this.#service.ends.follow(this.state.id, this.state.expires_at - (this.#openedAt ?? 0), ending);
		}
		return ending.signal;
	}

	/** The nonce for the proof that the session owes; null where it owes none. */
	get owed(): string | null {
		return this.#owed;
	}

	#opened(opened: Opened): Data {
		const wanting = this.#key?.wanting(opened) ?? null;
		if (wanting !== null) throw this.#unproved(wanting);
		this.#owed = opened.owed ?? null;
		this.#wide = opened.wide;
		this.#key?.heard(opened);
		this.#become(opened.status, opened.end_reason, opened.session, opened.now);
		this.#due = opened.commit_due;
		// An unknown token is not shown again. One that ended is: what begins next tells the browser why.
		if (this.status === "none") this.#token = null;
		return this.state?.data ?? {};
	}

	/** Whether the request may have a session: the service is to be asked. */
	get showsToken(): boolean {
		return this.#token !== null || this.#rivals.length > 0;
	}

	/** Whether the answer depends on the session, or tells of it: caches are to know. */
	get isTold(): boolean {
		return this.accessed || this.#told !== null || this.#isContested;
	}

	/** The headers of requests that the session depends on: for Vary. */
	get vary(): string {
		return this.#transport.vary;
	}

	/** What the answer to `asked` must tell the browser, and no cache may keep. */
	told(asked: Asked): readonly Header[] {
		const keyed = this.#key?.told(this.#failure?.problem ?? null) ?? NOTHING;
		if (this.#told === null && !this.#isContested && keyed.length === 0) return NOTHING;
		const told: Header[] = [];
		if (this.#isContested) {
			for (const line of clearings(this.#transport.cookieName, asked.headers.host, pathOf(asked))) told.push([SET_COOKIE, line]);
		}
		told.push(...keyed);
		// Last: what was committed stays so, whatever was refused after it and is told of the token.
		if (this.#told !== null) told.push(this.#told);
		return told;
	}

	/** Why the last commit failed, if it did. */
	get failure(): SojournError | null {
		return this.#failure;
	}

	/** Whether a commit is to follow even if nothing is changed: activity or the token's secret is to be written. */
	get due(): boolean {
		return this.#due && !this.passive;
	}

	/** Whether the answer must wait; without `data` it keeps no change. */
	isBusy(data: Data | null): boolean {
		return this.#underWay !== null || this.#failure !== null || (data !== null && (this.due || this.baseline.isChanged(data)));
	}

	/**
	 * What is left to write before the answer's first byte: `dataNow`, unless the answer keeps no change. A failure that no
	 * handler could answer to is thrown.
	 */
	async finish(dataNow: (() => Data) | null): Promise<void> {
		if (this.#underWay !== null) {
			const before = this.#failure;
			await this.#underWay;
			// First those who asked for it take in what came of it.
			await new Promise<void>((resolve) => process.nextTick(resolve));
			if (this.#failure !== null && this.#failure !== before) throw this.#failure;
		}
		if (this.#failure !== null && !this.isHeard()) throw this.#failure;
		// The handler knows, and to wait a second time would help nobody.
		if (this.#failure?.code !== "store-unavailable" && dataNow) await this.commit(dataNow());
	}

	/**
	 * Writes what `data` has that was not loaded, and does `action`; the session's data as the service then has it, null
	 * where nothing was written. `used` are grants that it removes. Commits of one request go one after another.
	 */
	commit(data: Data, action: Action | null = null, used: readonly string[] = NONE): Promise<Data | null> {
		const write = () => this.#commit(data, action, used);
		const commit = this.#underWay === null ? write() : this.#underWay.then(write);
		const done = commit.catch(() => {}).then(() => {
			if (this.#underWay === done) this.#underWay = null;
		});
		this.#underWay = done;
		return commit;
	}

	async #commit(data: Data, wish: Action | null, used: readonly string[]): Promise<Data | null> {
		// Another commit of this request may have begun a session meanwhile.
		const action = wish?.type === "start" && this.state !== null ? null : wish;
		try {
			// A log-in takes along what was loaded, where a parallel one has replaced the session meanwhile.
			const wanted = action?.type === "logout" ? {changes: {}, increments: {}} : this.baseline.changes(data, action?.type === "login");
			const writes = Object.keys(wanted.changes).length + Object.keys(wanted.increments).length > 0;
			if (!writes && action === null && !this.due) return null;
			const isNew = this.state === null || action?.type === "login" || action?.type === "regenerate";
			if (this.sealed && isNew && action?.type !== "logout") throw tooLate();
			if (action?.type === "login" || action?.type === "logout") await this.#endRivals();
			const committed = await this.#service.commit({
				...(this.#token === null ? {token: null} : {token: this.#token, status: this.status}),
				...(isNew && {client: this.#client()}),
				passive: this.passive,
				opened_at: this.#openedAt,
				...this.#key?.shown,
				...wanted,
				// One that was given in this very request is nobody else's.
				used: used.filter((key) => Object.hasOwn(wanted.changes, key)),
				action,
			}, this.#wide);
			return this.#settle(committed, wanted);
		} catch (refused) {
			const error = this.#unproved(refused as SojournError);
			this.#refused(error);
			throw error;
		}
	}

	/** `error`; where a key is not proved, with what is to be told of that. */
	#unproved(error: SojournError): SojournError {
		const {problem} = error;
		if (this.#key === null || !problem || !isOfProof(problem.code)) return error;
		return new SojournError(error.code, error.message, this.#key.refused(problem));
	}

	/** A log-in is to count, and a log-out to be one, whatever else the browser goes on showing. */
	async #endRivals(): Promise<void> {
		for (const token of this.#rivals) {
			const nothing = {status: "active" as const, passive: true, opened_at: null, changes: {}, increments: {}, used: NONE};
			await this.#service.commit({token, ...nothing, ...this.#key?.shown, action: {type: "logout"}});
		}
		this.#rivals = [];
	}

	#settle(committed: Committed, sent: Changes): Data {
		const {token, set_cookie} = committed;
		if (set_cookie !== null) this.#told = this.#isBearer ? ["Sojourn-Token", token ?? "none"] : [SET_COOKIE, this.#checked(set_cookie)];
		this.#key?.heard(committed);
		this.#wide = committed.wide;
		const isSame = committed.session !== null && committed.session.id === this.state?.id;
		if (!isSame) this.#owed = null;
		// The token is judged as of the request that showed it, however late this one still writes: renewed meanwhile, it
		// would be taken for a thief's.
		this.#become(committed.status, committed.end_reason, committed.session, isSame ? this.#openedAt : committed.now);
		// A renewed secret of the same session is the browser's to show first: shown from here, it would retire the one
		// that the browser may go on with if this answer is lost.
		if (this.state === null) this.#token = null;
		else if (token !== null && (this.#token === null || idOf(token) !== idOf(this.#token))) this.#token = token;
		this.#due = false;
		this.#failure = null;
		this.baseline.settle(sent);
		return this.state?.data ?? {};
	}

	#checked(setCookie: string): string {
		const {cookieName} = this.#transport;
		if (setCookie.startsWith(cookieName + "=")) return setCookie;
		const name = JSON.stringify(setCookie.slice(0, setCookie.indexOf("=")));
		throw configuration(`The service's cookie is ${name}, and this adapter reads "${cookieName}": give cookieName: ${name}.`);
	}

	#refused(error: SojournError): void {
		this.#failure = error;
		this.isHeard = () => true;
		if (error.code === "store-unavailable") return;
		this.#due = false;
		if (error.code !== "session-ended") return;
		this.#become("ended", error.endReason, null, null);
		this.baseline.load({});
		this.#token = null;
	}

	#become(status: Status, endReason: EndReason | null, state: SessionState | null, now: number | null): void {
		this.status = status;
		this.endReason = endReason;
		this.state = state;
		this.#openedAt = now;
	}

	/** Until no commit is under way. */
	async settled(): Promise<void> {
		while (this.#underWay !== null) await this.#underWay;
	}

	/** Loads the session anew. Throws where it is over. */
	async reload(): Promise<Data> {
		await this.#underWay;
		const had = this.state !== null;
		const data = await this.open();
		if (had && this.status !== "active") {
			this.baseline.load({});
			throw ended(this.endReason);
		}
		this.#failure = null;
		return data;
	}
}

const NONE: readonly string[] = [];
const NOTHING: readonly Header[] = [];
const SET_COOKIE = "Set-Cookie";

function tooLate(): SojournError {
	return new SojournError(
		"session-committed",
		"The response has started, so the browser cannot be told of a new session. Begin, log in or regenerate before the first byte.",
	);
}
