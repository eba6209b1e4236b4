import type {JsonValue} from "./types.js";

/** Writes one after another; those made while one is under way go out together. */
export interface Writes<Result> {
	/** `undefined` removes a key. */
	change(values: Iterable<readonly [string, JsonValue | undefined]>): Promise<Result>;
	start(data?: object): Promise<Result>;
}

export function createWrites<Result>(
	patch: (body: object) => Promise<Result>,
	start: (body?: object) => Promise<Result>,
): Writes<Result> {
	let last: Promise<unknown> = Promise.resolve();
	/** What waits for its turn, if anything does, and the promise to send it. */
	let waiting: Map<string, JsonValue | undefined> | undefined;
	let sent: Promise<Result>;

	function queue(task: () => Promise<Result>): Promise<Result> {
		const done = last.then(task);
		// One that failed is its caller's matter; the next is tried all the same.
		last = done.catch(() => {});
		return done;
	}

	return {
		change(values) {
			if (!waiting) {
				const batch = (waiting = new Map<string, JsonValue | undefined>());
				sent = queue(() => {
					if (waiting === batch) waiting = undefined;
					// JSON leaves out of `set` what is undefined.
					const remove = [...batch.keys()].filter((key) => batch.get(key) === undefined);
					return patch({set: Object.fromEntries(batch), remove});
				});
			}
			for (const [key, value] of values) waiting.set(key, value);
			return sent;
		},
		start(data) {
			// What is set from now on comes after it.
			waiting = undefined;
			return queue(() => start(data && {data}));
		},
	};
}
