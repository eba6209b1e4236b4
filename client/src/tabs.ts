import type {Offset} from "./clock.js";
import type {SessionState} from "./types.js";

/** What tabs tell one another. */
export interface TabMessage {
	/** The server's newest answer. */
	readonly state?: SessionState<any>;
	readonly offset?: Offset;
	/** A moment at which the server was to be asked and could not be. */
	readonly missed?: number;
	/** Tell me what you know. */
	readonly ask?: true;
}

/** The other tabs that hold the same session. */
export interface Tabs {
	post(message: TabMessage): void;
	/** Runs one tab's task at a time; where the browser has no locks, at once. */
	lock<T>(name: string, task: () => Promise<T>): Promise<T>;
	/** Waits for what the tab that had the lock before may just have posted; without locks, lets others go first. */
	linger(): Promise<void>;
}

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Where no other tab holds the same session. */
export const ALONE: Tabs = {post() {}, lock: (_, task) => task(), async linger() {}};

export function openTabs(name: string, signal: AbortSignal, hear: (message: TabMessage) => void): Tabs {
	const locks = globalThis.navigator?.locks;
	let channel: BroadcastChannel | undefined;

	try {
		channel = new BroadcastChannel(name);
		channel.onmessage = ({data}) => hear(data);
	} catch {
		globalThis.addEventListener?.(
			"storage",
			({key, newValue}) => {
				if (key === name && newValue) hear(JSON.parse(newValue)[0]);
			},
			{signal},
		);
	}
	signal.addEventListener("abort", () => channel?.close());

	return {
		post(message) {
			if (signal.aborted) return;
			if (channel) return channel.postMessage(message);
			try {
				// The number makes equal messages differ, as an event needs; nothing is left behind.
				localStorage.setItem(name, JSON.stringify([message, Math.random()]));
				localStorage.removeItem(name);
			} catch {
				// Without storage there is no other tab to be in step with.
			}
		},
		lock: (suffix, task) => (locks ? locks.request(name + suffix, task) : task()) as Promise<any>,
		// A tab's message may be slower than its lock.
		linger: () => sleep(locks ? 20 : Math.random() * 300),
	};
}
