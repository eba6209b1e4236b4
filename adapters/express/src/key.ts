import type {Problem, SojournError} from "./errors.js";
import type {Header} from "./exchange.js";
import {challengeOf, isOfProof} from "./problem.js";
import type {Opened, Presented, ShownKey, ToldKey} from "./wire.js";

/** The key that a visitor's session may be bound to: what the request shows of it, and what the service said. */
export interface VisitorKey {
	/** What an open or a commit says of it. */
	readonly shown: ShownKey;
	heard(said: ToldKey): void;
	/** Why what an open was answered opens nothing to this request, if it is for want of a proof. */
	wanting(opened: Opened): SojournError | null;
	/** What the answer tells the browser, where the last commit was `refused` or not. */
	told(refused: Problem | null): readonly Header[];
	/** A problem of this key, as it is to be told. */
	refused(problem: Problem): Problem;
}

/** A script's own (DPoP): a proof with each request. */
export class ScriptKey implements VisitorKey {
	readonly #presented: Presented;
	#proved: string | null = null;
	/** What the next proof must hold, for the answer. */
	#nonce: string | null = null;

	constructor(presented: Presented) {
		this.#presented = presented;
	}

	/** The proof, and once that is used up, that it was taken. */
	get shown(): ShownKey {
		return this.#proved === null ? {presented: this.#presented} : {proved: this.#proved};
	}

	heard({proved, nonce}: ToldKey): void {
		if (proved === null) return;
		this.#proved = proved;
		this.#nonce = nonce ?? this.#nonce;
	}

	wanting(): null {
		return null;
	}

	told(refused: Problem | null): readonly Header[] {
		const told: Header[] = this.#nonce === null ? [] : [["DPoP-Nonce", this.#nonce]];
		// The answer is a handler's, who waited for what was refused, and the client is to sign anew all the same.
		return refused && isOfProof(refused.code) ? [...told, ...Object.entries(challengeOf(refused))] : told;
	}

	refused(problem: Problem): Problem {
		return problem;
	}
}
