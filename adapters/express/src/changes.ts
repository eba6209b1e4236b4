import {SojournError} from "./errors.js";
import type {Change} from "./wire.js";

/** Any object whose own enumerable keys are a session's data. */
export type Data = Record<string, unknown>;

/** What `increment` added to a key, and the sum it made of it. */
interface Counter {
	by: number;
	sum: unknown;
}

export interface Changes {
	changes: Record<string, Change>;
	increments: Record<string, number>;
}

/** An object or list as it was loaded, as JSON: it may since have been changed in place. */
class Text {
	constructor(readonly json: string) {}
}

/** What a session's data was when it was loaded or last written, to compare with. */
export class Baseline {
	#values = new Map<string, unknown>();
	#counters = new Map<string, Counter>();

	/** From here on, `data` is what was loaded. */
	load(data: Data): void {
		this.#values.clear();
		this.#counters.clear();
		for (const key of Object.keys(data)) this.#keep(key, data[key]);
	}

	/** Adds to the integer at `key` of `data`, a missing one counting as 0: parallel requests add up. */
	increment(data: Data, key: string, by: number): number {
		const before = own(data, key);
		const start = before === undefined ? 0 : (before as number);
		const sum = start + by;
		if (![start, by, sum].every(Number.isSafeInteger)) {
			throw invalid(`session.increment(${JSON.stringify(key)}) needs integers, and a sum within ±(2**53 - 1).`);
		}
		const counter = this.#counters.get(key);
		if (counter?.sum === before && counter !== undefined) this.#counters.set(key, {by: counter.by + by, sum});
		else if (this.#isSame(key, before)) this.#counters.set(key, {by, sum});
		else this.#counters.delete(key);
		define(data, key, sum);
		return sum;
	}

	/** Whether `data` differs from what was loaded. */
	isChanged(data: Data): boolean {
		let known = 0;
		for (const key of Object.keys(data)) {
			const value = data[key];
			if (value === undefined) continue;
			if (!this.#values.has(key) || !this.#isSame(key, value)) return true;
			known++;
		}
		return known < this.#values.size;
	}

	/** The keys of which `isChanged` is true. */
	changedKeys(data: Data): Set<string> {
		const keys = new Set([...this.#values.keys(), ...Object.keys(data)]);
		for (const key of keys) if (this.#isSame(key, own(data, key))) keys.delete(key);
		return keys;
	}

	/** What differs, key by key; with `all`, what does not is told too. Throws for what JSON cannot hold. */
	changes(data: Data, all = false): Changes {
		const changes: Record<string, Change> = nothing();
		const increments: Record<string, number> = nothing();
		if (all) for (const key of this.#values.keys()) define(changes, key, {base: this.#loaded(key), value: this.#loaded(key)});
		for (const key of this.changedKeys(data)) {
			const value = own(data, key);
			const counter = this.#counters.get(key);
			if (counter?.sum === value && counter !== undefined) define(increments, key, counter.by);
			else {
				check(value, key);
				const base = this.#loaded(key);
				// A copy: the handler may change it while it is on its way.
				define(changes, key, {...(base !== undefined && {base}), ...(value !== undefined && {value: copy(value)})});
			}
		}
		return {changes, increments};
	}

	/** `sent`, made of `data` by `changes`, was written: it is what was loaded, from here on. */
	settle({changes, increments}: Changes): void {
		for (const key of Object.keys(changes)) this.#keep(key, changes[key]!.value);
		for (const [key, by] of Object.entries(increments)) {
			const counter = this.#counters.get(key);
			if (counter === undefined) continue;
			// More may have been added while it was written.
			const sum = (counter.sum as number) - (counter.by - by);
			this.#values.set(key, sum);
			if (counter.by === by) this.#counters.delete(key);
			else this.#counters.set(key, {by: counter.by - by, sum: counter.sum});
		}
	}

	/** What was loaded, fresh. */
	values(): Data {
		const data: Data = {};
		for (const key of this.#values.keys()) define(data, key, this.#loaded(key));
		return data;
	}

	#keep(key: string, value: unknown): void {
		if (value === undefined) this.#values.delete(key);
		else this.#values.set(key, typeof value === "object" && value !== null ? new Text(JSON.stringify(value)) : value);
	}

	#isSame(key: string, value: unknown): boolean {
		const loaded = this.#values.get(key);
		if (typeof value !== "object" || value === null) return loaded === value;
		// A Date is kept as the text that it makes of itself.
		return json(value) === (loaded instanceof Text ? loaded.json : JSON.stringify(loaded));
	}

	#loaded(key: string): unknown {
		const loaded = this.#values.get(key);
		return loaded instanceof Text ? JSON.parse(loaded.json) : loaded;
	}
}

/** Sets an own property, whatever its name: `__proto__` too is a key of JSON's. */
export function define(data: object, key: string, value: unknown): void {
	Object.defineProperty(data, key, {value, writable: true, enumerable: true, configurable: true});
}

function own(data: Data, key: string): unknown {
	return Object.hasOwn(data, key) ? data[key] : undefined;
}

function nothing<Value>(): Record<string, Value> {
	return Object.create(null) as Record<string, Value>;
}

function copy(value: unknown): unknown {
	return typeof value === "object" && value !== null ? JSON.parse(JSON.stringify(value)) : value;
}

/** As JSON.stringify, but "" for what it cannot spell. */
export function json(value: unknown): string | undefined {
	try {
		return JSON.stringify(value);
	} catch {
		// A cycle or a bigint: it is like nothing that was loaded, and refused when it is written.
		return "";
	}
}

function invalid(message: string): SojournError {
	return new SojournError("invalid-data", message);
}

/** Refuses what JSON.stringify would change in silence. What has a `toJSON`, such as a Date, says itself what is kept. */
function check(value: unknown, path: string, above: readonly unknown[] = []): void {
	const refuse = (what: string) => invalid(`session[${JSON.stringify(path)}] holds ${what}, which JSON cannot keep.`);
	if (typeof value === "number" && !Number.isFinite(value)) throw refuse(`${value}`);
	if (typeof value === "bigint" || typeof value === "function" || typeof value === "symbol") throw refuse(`a ${typeof value}`);
	if (typeof value !== "object" || value === null || typeof (value as {toJSON?: unknown}).toJSON === "function") return;
	if (above.includes(value)) throw refuse("an object that holds itself");
	if (value instanceof Map || value instanceof Set || ArrayBuffer.isView(value) || value instanceof ArrayBuffer) {
		throw refuse(`a ${value.constructor.name}`);
	}
	const here = [...above, value];
	if (Array.isArray(value)) {
		if (value.includes(undefined)) throw refuse("undefined in a list");
		if (Object.keys(value).length > value.length) throw refuse("a list with names for keys");
		for (const member of value) check(member, path, here);
	} else for (const member of Object.values(value)) check(member, path, here);
}
