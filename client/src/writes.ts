import type {JsonValue} from "./types.js";

type Values = Record<string, JsonValue | undefined>;

/** Writes one after another; those made while one is under way go out together. */
export interface Writes<Result> {
	/** `undefined` removes a key. */
	change(values: Values): Promise<Result>;
	start(data?: object): Promise<Result>;
}

export function createWrites<Result>(
	act: (method: string, path: string, body: object) => Promise<Result>,
	start: (body?: object) => Promise<Result>,
): Writes<Result> {
	let last: Promise<unknown> = Promise.resolve();
	/** What waits for its turn, if anything does, and the promise to send it. */
	let waiting: Values | undefined;
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
				// Without a prototype even a key "__proto__" is one like any other.
				const batch: Values = (waiting = Object.create(null));
				sent = queue(() => {
					if (waiting === batch) waiting = undefined;
					// JSON leaves out of `set` what is undefined.
					return act("PATCH", "/", {set: batch, remove: Object.keys(batch).filter((key) => batch[key] === undefined)});
				});
			}
			Object.assign(waiting!, values);
			return sent;
		},
		start(data) {
			// What is set from now on comes after it.
			waiting = undefined;
			return queue(() => start(data && {data}));
		},
	};
}
