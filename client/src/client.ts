import {createClock, type Offset} from "./clock.js";
import {createDeadline} from "./deadline.js";
import {readCount, readList} from "./devices.js";
import {SessionError} from "./errors.js";
import {createEvents} from "./events.js";
import {createFetch} from "./fetch.js";
import {type Flights, join, joinAfter} from "./flights.js";
import {camelCase} from "./names.js";
import {watchPage} from "./page.js";
import {asState, gist, isNewer, LOADING, presumedReason, RACE, secondsLeft} from "./state.js";
import {ALONE, openTabs, sleep, type TabMessage} from "./tabs.js";
import {createTokenJar} from "./token.js";
import type {JsonValue, SessionClient, SessionClientOptions, SessionEvents, SessionState} from "./types.js";
import {createWire, type Read} from "./wire.js";
import {createWrites} from "./writes.js";

/**
 * Creates a client and, in a browser, asks for the state at once. Several in one page do not mind one another.
 * Where there is no page (server rendering) it does nothing until told, and nothing by itself: no timer, no channel.
 */
export function createSessionClient<Data extends object = Record<string, JsonValue>>(
	options: SessionClientOptions,
): SessionClient<Data> {
	type State = SessionState<Data>;
	const {storage = "cookie", warnBefore = 60, origins = []} = options;
	const here = globalThis.document?.baseURI ?? globalThis.location?.href;
	let {url} = options;
	try {
		url = new URL(url, here).href.replace(/\/$/, "");
	} catch {
		// As with `fetch`, where a page has no base, such as `about:blank`, it is the calls that fail.
	}
	const name = "sojourn:" + url + ":" + storage;
	const events = createEvents<SessionEvents & {state: State}>();
	const clock = createClock();
	const isTrusted = (asked: string) => [url, ...origins].some((url) => new URL(url, here).origin === new URL(asked).origin);
	const closing = new AbortController();
	const {signal} = closing;
	// What a server stores by such names, all of its users would share.
	const jar = storage === "cookie" ? undefined : createTokenJar(here ? storage : "memory", name, onBroken);
	const wire = createWire(options, url, jar, isTrusted, signal);
	let tabs = here && /cookie|local/.test(storage) ? openTabs(name, signal, hear) : ALONE;

	/** The server's last word, and what is shown: they differ where the end was judged without the server. */
	let known: State = LOADING;
	let state: State = LOADING;
	let endedId: string | null = null;
	/** When something was last learnt of the server, by this tab or from another; 0 if not since the page came back. */
	let heardAt = Date.now();
	/** Whether this tab was told itself what it knows. */
	let isFirsthand = false;
	/** Whether a session was begun here, and nobody has heard of it since. */
	let isUnproven = false;
	const flights: Flights = new Map();
	const deadline = createDeadline(clock, warnBefore * 1000, signal, {
		consult: lead,
		wake,
		alarm() {
			show(known);
			events.emit("expiring", {secondsLeft: left()!});
		},
		expire: () => show({...known, status: "ended", endReason: presumedReason(known, Infinity), endedAt: known.expiresAt} as State),
		miss: (missed) => tabs.post({missed}),
	});
	const writes = createWrites(
		act,
		// Two tabs that start at once would make two sessions, one of them nobody's.
		(body) =>
			tabs.lock(":start", async () => {
				const {id} = known;
				const next = await act("POST", "/start", body);
				isUnproven = next.id !== id;
				return next;
			}),
	);

	function onBroken(error: unknown) {
		// Each tab now has a token of its own, so what others say is not about this session.
		tabs = ALONE;
		setTimeout(report, 0, error);
	}

	const left = () => secondsLeft(state, clock.now());

	function show(told: State) {
		const before = state;
		const next = {...told, expiring: deadline.isNear(told)};
		if (gist(next) === gist(before)) return;
		state = next;
		const gone =
			next.status === "ended" ? next.id : next.id !== before.id && (next.follows || !next.id) ? before.id : null;
		const isNews = gone !== endedId && gone;
		if (gone || next.id === endedId) endedId = gone;
		events.emit("state", next);
		if (isNews) events.emit("ended", {reason: next.endReason ?? next.follows ?? presumedReason(before, clock.now())});
	}

	/** Takes up what the server told this tab, which had asked for it at `from`, or another. */
	function accept(next: State, offset: Offset, from: number = 0) {
		clock.learn(offset);
		// One's own first answer is believed, whatever other tabs had said when it was asked for.
		const isSure = !isFirsthand && from > heardAt;
		heardAt = Date.now();
		isUnproven = false;
		if (!isSure && !isNewer(next, known, endedId)) return;
		known = next;
		if (from) {
			isFirsthand = true;
			tell();
		}
		deadline.plan(known);
		show(known);
	}

	/** `undefined` where the answer must not be believed, but asked for again. */
	function take({told, isOurs, from, to}: Awaited<ReturnType<typeof call<State>>>, isLast?: boolean): State | undefined {
		if (!isOurs || (!isLast && (told.endReason === "replaced" || isVanished(told)))) return;
		if (isUnproven && !told.id) notKept();
		accept(told, [told.now - to, told.now - from + 1], from);
		return state;
	}

	/** Whether a session disappeared without a word, in a page that runs: or did the request leave before it was there? */
	const isVanished = (next: State) => heardAt && next.status === "none" && known.status === "active";

	const tell = () => tabs.post({state: known, offset: clock.ahead()});

	function hear(message: unknown) {
		if (tabs === ALONE) return;
		const {state: said, offset, missed, ask}: TabMessage = Object(message);
		const next = said && asState(said);
		if (next && Number.isFinite(offset)) {
			if (isVanished(next)) again().catch(report);
			// What cannot be so is asked of the server instead.
			else if (isFirsthand && next.now > clock.now() + RACE) wake();
			else accept(next, [offset!, offset!]);
		}
		if (missed) {
			heardAt = Date.now();
			deadline.settle(missed);
		}
		if (ask && known !== LOADING) tell();
	}

	async function get(): Promise<State> {
		const {id} = known;
		for (let attempt = 0; attempt < 4; attempt++) {
			const taken = take(await wire.call(readState, "GET", "/"), attempt > 2);
			if (taken) return taken;
			// The answer to another tab's log-in, with the new session, may still be on its way to this browser.
			await sleep(300 + attempt * 300);
			if (known.id !== id) break;
		}
		return state;
	}

	const refresh = () => join(flights, "get", get);

	/** Asks after all that has happened by now, which was to bring a session or not. */
	const again = (isBringing?: boolean) =>
		joinAfter(flights, "get", () => {
			isUnproven ||= !!isBringing;
			return get();
		});

	/** Asks in one tab, unless another has just done so. */
	function lead(): Promise<void> {
		const before = heardAt;
		return tabs.lock("", async () => {
			await tabs.linger();
			if (heardAt === before) await refresh();
		});
	}

	/** A session was begun, and the browser has nothing to show for it: the one symptom of a dozen mistakes in a set-up. */
	function notKept() {
		const error = new SessionError(0, jar ? "token-not-exposed" : "cookie-not-kept", "blocked, cross-site, or http?");
		console.warn(error);
		report(error);
	}

	function report(error: unknown) {
		if (signal.aborted) return;
		events.emit("error", {error});
		if (known === LOADING) tabs.post({ask: true});
		deadline.plan(known === LOADING || known.status !== state.status ? undefined : known);
	}

	function wake(isBack?: boolean) {
		// What was heard before the page stood still says nothing.
		if (isBack) heardAt = 0;
		if (state.status !== known.status || Date.now() - heardAt > 5_000) lead().catch(report);
	}

	const call: typeof wire.call = (...call) =>
		wire.call(...call).catch(async (error: SessionError) => {
			if (error.status === 401) await again().catch(report);
			throw error;
		});

	async function act(method: string, path: string, body?: object): Promise<State> {
		return take(await call(readState, method, path, body)) ?? again();
	}

	const readState: Read<State> = (body) => asState(camelCase(body)) as State;

	// What the caller changes later is not part of this call.
	const copy = (values: object) => JSON.parse(JSON.stringify(values));

	if (here) {
		watchPage(signal, wake);
		refresh().catch(report);
	}
	const logout = () => join(flights, "logout", () => act("POST", "/logout"));

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
		start: (data) => (data ? writes.start(copy(data)) : join(flights, "start", () => writes.start())),
		set: (values) => writes.change(copy(values)),
		remove: (...keys) => writes.change(Object.fromEntries(keys.map((key) => [key, undefined]))),
		touch: () => join(flights, "touch", () => act("POST", "/touch")),
		logout,
		list: () => join(flights, "list", async () => (await call(readList, "GET", "/sessions")).told),
		revoke: async (id) =>
			// Of this session, the way that says why it ended.
			id === state.id
				? !!(await logout())
				: call(readCount, "DELETE", "/sessions/" + encodeURIComponent(id)).then(
						({told}) => !!told,
						(error: SessionError) => error.status !== 404 && Promise.reject(error),
					),
		revokeOthers: async () => (await call(readCount, "DELETE", "/sessions")).told,
		fetch: createFetch(
			wire.deliver,
			!!jar,
			isTrusted,
			here && ((isBringing) => again(isBringing && state.status !== "active").catch(report)),
		),
		secondsLeft: left,
		close: () => closing.abort(),
	};
}
