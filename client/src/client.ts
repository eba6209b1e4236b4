import {createClock, type Offset} from "./clock.js";
import {createDeadline} from "./deadline.js";
import {createDevices} from "./devices.js";
import type {SessionError} from "./errors.js";
import {createEvents} from "./events.js";
import {createFetch} from "./fetch.js";
import {createFlights} from "./flights.js";
import {watchPage} from "./page.js";
import {camelCase, differs, isNewer, LOADING, presumedReason, secondsLeft} from "./state.js";
import {ALONE, openTabs, sleep, type TabMessage} from "./tabs.js";
import {createTokenJar} from "./token.js";
import type {EndReason, JsonValue, SessionClient, SessionClientOptions, SessionEvents, SessionState} from "./types.js";
import {createWire} from "./wire.js";
import {createWrites} from "./writes.js";

/**
 * Creates a client and, in a browser, asks for the state at once. Several in one page do not mind one another.
 * Where there is no `location` (server rendering) it does nothing until told.
 */
export function createSessionClient<Data extends object = Record<string, JsonValue>>(
	options: SessionClientOptions,
): SessionClient<Data> {
	type State = SessionState<Data>;
	const {storage = "cookie", warnBefore = 60, origins = []} = options;
	const here = globalThis.location?.href;
	const url = new URL(options.url, here ?? "http://localhost").href;
	const base = url.replace(/\/$/, "");
	const trusted = [base, ...origins].map((url) => new URL(url).origin);
	const name = `sojourn:${base}:${storage}`;
	const events = createEvents<SessionEvents & {state: State}>();
	const clock = createClock();
	const isTrusted = (url: string) => trusted.includes(new URL(url).origin);
	const closing = new AbortController();
	const {signal} = closing;
	const jar = storage === "cookie" ? undefined : createTokenJar(storage, name, onBroken);
	const wire = createWire(options, url, jar, isTrusted, signal);
	let tabs = storage === "cookie" || storage === "local" ? openTabs(name, signal, hear) : ALONE;

	/** The server's last word, and what is shown: they differ where the end was judged without the server. */
	let known: State = LOADING;
	let state: State = LOADING;
	let endedId: string | null = null;
	/** When something was last learnt of the server, by this tab or from another. */
	let heardAt = 0;
	const {join, joinAfter} = createFlights();
	const deadline = createDeadline({
		clock,
		warnBefore: warnBefore * 1000,
		signal,
		ask: () => lead(() => join("get", () => get(0))),
		wake,
		warn: () => events.emit("expiring", {secondsLeft: left()!}),
		end: () => show({...known, status: "ended", endReason: presumed(), endedAt: known.expiresAt} as State),
		miss: (missed) => tabs.post({missed}),
	});
	const writes = createWrites(
		(body) => act("PATCH", "", body),
		// Two tabs that start at once would make two sessions, one of them nobody's.
		(body) => tabs.lock(":start", () => act("POST", "/start", body)),
	);

	function onBroken(error: unknown) {
		// Each tab now has a token of its own, so what others say is not about this session.
		tabs = ALONE;
		queueMicrotask(() => report(error));
	}

	const left = () => secondsLeft(state, clock.now());
	const presumed = () => presumedReason(known, clock.now());

	function show(next: State, reason: EndReason | null = next.endReason) {
		const before = state;
		state = next;
		if (!differs(next, before)) return;
		const gone =
			next.status === "ended" ? next.id : next.id !== before.id && (next.follows || !next.id) ? before.id : null;
		const isNews = gone !== endedId && gone;
		if (gone || next.id === endedId) endedId = gone;
		events.emit("state", next);
		if (isNews) events.emit("ended", {reason});
	}

	function accept(next: State, offset: Offset, isOwn?: boolean) {
		clock.learn(offset);
		if (!isNewer(next, known, endedId) || JSON.stringify(next) === JSON.stringify(known)) return;
		const reason = next.endReason ?? next.follows ?? presumed();
		heardAt = Date.now();
		known = next;
		if (isOwn) tell();
		show(next, reason);
		plan();
	}

	/** `undefined` where the answer must not be believed, but asked for again. */
	function take({body, isOurs, from, to}: Awaited<ReturnType<typeof wire.call>>, isLast?: boolean): State | undefined {
		if (!isOurs || (!isLast && (body.end_reason === "replaced" || isVanished(body)))) return;
		accept(camelCase<State>(body), [body.now - to, body.now - from + 1], true);
		return state;
	}

	/** Whether a session disappeared without a word: or is it that the request left before the session was there? */
	const isVanished = ({status}: State) => status === "none" && known.status === "active";

	const tell = () => tabs.post({state: known, offset: clock.offset()});
	const plan = () => deadline.plan(known.status === state.status && known !== LOADING ? known : undefined);

	function hear({state: next, offset, missed, ask: isAsked}: TabMessage) {
		if (tabs === ALONE) return;
		if (next && isVanished(next)) again().catch(report);
		else if (next) accept(next, offset!);
		if (missed) {
			heardAt = Date.now();
			deadline.settle(missed);
		}
		if (isAsked && known !== LOADING) tell();
	}

	async function get(tries?: number): Promise<State> {
		const {id} = known;
		for (let attempt = 0; ; attempt++) {
			const taken = take(await wire.call("GET", "", undefined, tries), attempt > 2);
			if (taken) return taken;
			// The answer to another tab's log-in, with the new session, may still be on its way to this browser.
			await sleep(300 * (attempt + 1));
			if (attempt > 2 || known.id !== id) return state;
		}
	}

	const refresh = () => join("get", get);

	/** Asks after all that has happened by now. */
	const again = () => joinAfter("get", get);

	/** Runs a task in one tab, unless another has just done it. */
	function lead(task: () => Promise<unknown>): Promise<void> {
		const before = heardAt;
		return tabs.lock("", async () => {
			await tabs.linger();
			if (heardAt === before) await task();
		});
	}

	function report(error: unknown) {
		if (signal.aborted) return;
		events.emit("error", {error});
		if (known === LOADING) tabs.post({ask: true});
		plan();
	}

	function wake(isUrgent?: boolean) {
		if (isUrgent || state.status !== known.status || Date.now() - heardAt > 5_000) lead(refresh).catch(report);
	}

	async function call(method: string, path: string, body?: object) {
		try {
			return await wire.call(method, path, body);
		} catch (error) {
			if ((error as SessionError).status === 401) await again().catch(report);
			throw error;
		}
	}

	async function act(method: string, path: string, body?: object): Promise<State> {
		return take(await call(method, path, body)) ?? again();
	}

	// What the caller changes later is not part of this call.
	const copy = (values: object) => JSON.parse(JSON.stringify(values));

	if (here) {
		watchPage(signal, wake);
		refresh().catch(report);
	}
	const devices = createDevices(call, join);
	const logout = () => join("logout", () => act("POST", "/logout"));

	return {
		get state() {
			return state;
		},
		subscribe(listener) {
			const undo = events.on("state", listener);
			listener(state);
			return undo;
		},
		on: events.on as SessionClient<Data>["on"],
		refresh,
		start: (data) => (data ? writes.start(copy(data)) : join("start", () => writes.start())),
		set: (values) => writes.change(Object.entries(copy(values))),
		remove: (...keys) => writes.change(keys.map((key) => [key, undefined])),
		touch: () => join("touch", () => act("POST", "/touch")),
		logout,
		...devices,
		// Of this session, the way that says why it ended.
		revoke: (id) => (id === state.id ? logout().then(() => true) : devices.revoke(id)),
		fetch: createFetch(wire.send, !!jar, isTrusted, () => again().catch(report)),
		secondsLeft: left,
		close: () => closing.abort(),
	};
}
