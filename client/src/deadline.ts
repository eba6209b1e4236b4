import type {Clock} from "./clock.js";
import type {SessionState} from "./types.js";

// Timers stand still while a machine sleeps and cannot be set beyond 2^31 ms: look at the clock twice a minute.
const HEARTBEAT = 30_000;
// How much earlier than a moment an answer may have been made and still speak for it.
const SLACK = 2_000;

/** What the deadline asks of its client. */
export interface DeadlineHost {
	/** Asks the server, in one tab; rejects where it cannot be asked. */
	consult(): Promise<unknown>;
	/** As `consult`, if that was not done just now; what fails is merely reported. */
	wake(): void;
	/** The end is near. */
	alarm(): void;
	/** The session is over, as far as the clock can tell. */
	expire(): void;
	/** Tells the other tabs that the server could not be asked. */
	miss(moment: number): void;
}

/** Watches for the two moments of a session: when to warn, and when it ends. */
export interface Deadline {
	/** Takes up what the server said last; `undefined` where that is past or was never heard. */
	plan(next: SessionState<any> | undefined): void;
	/** Does without the server what is due at a moment. */
	settle(moment: number): void;
	/** Whether the end that a session has now was warned of. */
	isNear(session: SessionState<any>): boolean;
}

/** `ahead` is how many milliseconds before the end to warn. */
export function createDeadline(
	clock: Clock,
	ahead: number,
	signal: AbortSignal,
	{consult, wake, alarm, expire, miss}: DeadlineHost,
): Deadline {
	let known: SessionState<any> | undefined;
	let timer: ReturnType<typeof setTimeout> | undefined;
	let due: number;
	/** The end that was warned of. */
	let warned: number | undefined;
	/** What was known when the server was asked, so that it is asked once. */
	let askedAfter: SessionState<any> | undefined;

	const expiry = () => (known?.status === "active" && known.expiresAt) || 0;
	const moment = () => expiry() - (warned === expiry() ? 0 : ahead);

	function wait(ms: number) {
		due = Date.now() + ms;
		if (globalThis.location) timer = setTimeout(tick, ms);
	}

	function plan(next: SessionState<any> | undefined) {
		known = next;
		clearTimeout(timer);
		const isFresh = () => known!.now > moment() - SLACK;
		if (!known) wait(HEARTBEAT);
		else if (expiry()) {
			if (clock.now() >= moment() && isFresh() && warned !== expiry()) advance();
			// The server may see the end a moment later than we do.
			wait(Math.min(Math.max(moment() - clock.now(), isFresh() ? 300 : 0), HEARTBEAT));
		}
	}

	function advance() {
		askedAfter = undefined;
		warned = expiry();
		alarm();
	}

	function tick() {
		if (signal.aborted) return;
		// A hidden tab's timers are slowed down; it will ask when it is looked at.
		if (!known || (Date.now() - due > 5_000 && !globalThis.document?.hidden)) wake();
		const now = moment();
		if (!known || clock.now() < now) return plan(known);
		if (askedAfter === known) return settle(now);
		askedAfter = known;
		// Whichever tab is asking may be frozen before it can tell.
		wait(10_000);
		consult().catch(() => {
			miss(now);
			settle(now);
		});
	}

	function settle(at: number) {
		if (!expiry() || at !== moment() || clock.now() < at - SLACK) return;
		if (warned === expiry()) {
			expire();
			plan(undefined);
		} else {
			advance();
			plan(known);
		}
	}

	return {plan, settle, isNear: ({status, expiresAt}) => status === "active" && expiresAt === warned};
}
