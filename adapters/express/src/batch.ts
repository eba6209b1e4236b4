import {StringDecoder} from "node:string_decoder";
import type {Reply} from "./connection.js";
import {wideIn, type Wide} from "./wide.js";

/** What the service answered to a call: its JSON, null where it is none, and what JavaScript loses of the numbers in it. */
export interface Answer {
	status: number;
	value: unknown;
	wide: Wide | null;
}

/** One open or commit, and who waits for its answer. */
export interface Asked {
	name: "open" | "commit";
	/** JSON. */
	body: string;
	/** With the answer, or with why there is none. */
	answered(result: Answer | Error): void;
}

/** Opens and commits in one request: a line for each, and a line for each answer, as it is ready. */
export class Batch<Call extends Asked> {
	readonly #calls: readonly Call[];
	readonly #begun: () => void;
	readonly #left: Set<number>;
	readonly #text = new StringDecoder("utf8");
	#rest = "";

	/** `begun` is called when the answer begins, and `end` at its end, with those that it does not answer. */
	constructor(calls: readonly Call[], begun: () => void, readonly end: (reply: Reply | Error, left: readonly Call[]) => void) {
		this.#calls = calls;
		this.#begun = begun;
		this.#left = new Set(calls.keys());
	}

	get body(): string {
		return this.#calls.map(({name, body}) => `{"${name}":${body}}\n`).join("");
	}

	/** Takes the next bytes of the answer's body. Throws for what is no answer. */
	heard(bytes: Buffer): void {
		this.#begun();
		const lines = (this.#rest + this.#text.write(bytes)).split("\n");
		this.#rest = lines.pop()!;
		for (const line of lines) {
			const {call, status, answer} = JSON.parse(line) as {call: number; status: number; answer: unknown};
			if (!this.#left.delete(call)) throw new Error("an answer to no call of this batch");
			this.#calls[call]!.answered({status, value: answer, wide: wideIn(line)});
		}
	}

	answered(reply: Reply | Error): void {
		this.#begun();
		this.end(reply, [...this.#left].map((place) => this.#calls[place]!));
	}
}

export function answerOf({status, body}: Reply): Answer {
	try {
		return {status, value: JSON.parse(body), wide: wideIn(body)};
	} catch {
		return {status, value: null, wide: null};
	}
}
