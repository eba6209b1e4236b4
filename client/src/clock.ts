/** What `server − local` can be: lowest and highest. */
export type Offset = readonly [low: number, high: number];

/** The server's clock, as far as answers have told; until then, ours. */
export interface Clock {
	now(): number;
	ahead(): number;
	/** Narrows the offset; what contradicts all before (a clock was set, or drifted) replaces it. */
	learn(offset: Offset): void;
}

export function createClock(): Clock {
	let low = 0;
	let high = 0;
	const ahead = () => (low + high) / 2;
	return {
		now: () => Date.now() + ahead(),
		ahead,
		learn([from, to]) {
			const isContradiction = from > high || to < low;
			low = isContradiction ? from : Math.max(low, from);
			high = isContradiction ? to : Math.min(high, to);
		},
	};
}
