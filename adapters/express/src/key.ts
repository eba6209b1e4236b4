import type {Presented, ShownKey} from "./wire.js";

/** The key of a visitor whose session may be bound to it: what the request shows of it, and what the service said. */
export class VisitorKey {
	readonly #presented: Presented;
	#proved: string | null = null;
	/** What the next proof must hold, for the answer. */
	nonce: string | null = null;

	constructor(presented: Presented) {
		this.#presented = presented;
	}

	/** What an open or a commit says of it: the proof, and once that is used up, that it was taken. */
	get shown(): ShownKey {
		return this.#proved === null ? {presented: this.#presented} : {proved: this.#proved};
	}

	heard({proved, nonce}: {proved: string | null; nonce: string | null}): void {
		if (proved === null) return;
		this.#proved = proved;
		this.nonce = nonce ?? this.nonce;
	}
}
