import type {SessionState} from "./types.js";

/** What tabs tell one another. Whoever shares the origin may post, so each part is judged like an answer of the network. */
export interface TabMessage {
	/** The server's newest answer. */
	readonly state?: SessionState<any>;
	/** How far the server's clock is ahead of this machine's. */
	readonly offset?: number;
	/** A moment at which the server was to be asked and could not be. */
	readonly missed?: number;
	/** Tell me what you know. */
	readonly ask?: true;
}

/** The other tabs that hold the same session. */
export interface Tabs {
	post(message: TabMessage): void;
	/** Runs one tab's task at a time; where the browser has no locks or refuses them, at once. */
	lock<T>(name: string, task: () => Promise<T>): Promise<T>;
	/** Waits for what the tab that had the lock before may just have posted; without locks, lets others go first. */
	linger(): Promise<void>;
}

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Where no other tab holds the same session. */
export const ALONE: Tabs = {post() {}, lock: (_, task) => task(), async linger() {}};

export function openTabs(name: string, signal: AbortSignal, hear: (message: unknown) => void): Tabs {
	// Not there over plain http, whatever the types say.
	const locks: LockManager | undefined = navigator.locks;
	let channel: BroadcastChannel | undefined;

	try {
		channel = new BroadcastChannel(name);
		channel.onmessage = ({data}) => hear(data);
	} catch {
		// Where even this is refused, so is storage: there is no other tab to be in step with.
	}
	signal.addEventListener("abort", () => channel?.close());

	return {
		post: (message) => signal.aborted || channel?.postMessage(message),
		lock(suffix, task) {
			let done: Promise<any> | undefined;
			const run = () => (done ??= task());
			// With cookies blocked a browser refuses the lock: better without than not at all.
			return locks ? locks.request(name + suffix, run).catch(run) : run();
		},
		async linger() {
			// A message may be slower than a lock. A few round trips to where both come from, as a hidden tab's timers sleep.
			if (locks) for (let trip = 0; trip < 4; trip++) await locks.query().catch(() => {});
			else await sleep(Math.random() * 300);
		},
	};
}
