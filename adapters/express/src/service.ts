import {Connection, type Address, type Answer, type Call as Asked} from "./connection.js";
import {configuration, SojournError, unavailable, type Problem} from "./errors.js";
import {isOfProof} from "./problem.js";
import {exact, wideIn, type Wide} from "./wide.js";
import type {Commit, Committed, Opened} from "./wire.js";

export interface ServiceOptions {
	/** Where `sojourn serve` listens: `http://127.0.0.1:8100`, `https://…`, or `unix:/run/sojourn.sock`. */
	service: string;
	/** The API key, made by `sojourn keys make`: `sjk1-…`. */
	key: string | undefined;
	/** How long the service may take for an answer, in milliseconds. Default: 2000. */
	timeout?: number;
	/**
	 * Allows `http://` to another machine: **whoever is on the network between the two can read the key and every token**.
	 */
	dangerouslyAllowPlainHttp?: boolean;
}

const KEY = /^sjk1-[0-9a-f]{8}-[0-9a-f]{64}$/;
const LOCAL = /^(?:(?:.+\.)?localhost|127(?:\.\d+){3}|::1)$/;
const MOST_CONNECTIONS = 64;
/**
 * Opens of one turn of the event loop travel together, so many at most: a write and a read cost more than all else about
 * one. The service answers them in their order.
 */
const MOST_TOGETHER = 16;
/** Idle connections are not kept as long as servers and proxies keep them, so that none is closed under a request. */
const KEEP_IDLE = 30_000;
/** What a visitor may be told; any other refusal is a mistake of who wrote or runs the application. */
const TOLD = new Set(["session-ended", "session-conflict", "session-limit", "session-refused", "data-too-large", "body-too-large", "reauthentication-required", "store-unavailable"]);

interface Call extends Asked {
	repeatable: boolean;
	/** null while it waits for its turn. */
	connection: Connection | null;
	/** Those that were sent with it. */
	together: readonly Call[];
	settled: boolean;
}

/** The session service, over a few connections that stay open. */
export class Service {
	readonly #address: Address;
	readonly #url: string;
	readonly #prefix: string;
	readonly #headers: string;
	readonly #timeout: number;
	readonly #idle: Connection[] = [];
	readonly #all = new Set<Connection>();
	readonly #waiting = new Set<Call>();
	readonly #again: Call[] = [];
	#away = false;

	constructor({service, key, timeout = 2000, dangerouslyAllowPlainHttp = false}: ServiceOptions) {
		if (typeof timeout !== "number" || !(timeout > 0 && timeout <= 60_000)) {
			throw configuration("timeout: give milliseconds, from 1 to 60000.");
		}
		const {address, host, prefix} = parse(service);
		if (!dangerouslyAllowPlainHttp && "host" in address && !address.tls && !LOCAL.test(address.host)) {
			throw configuration(
				`service: http:// to another machine (${address.host}) shows the key and every token to the network between. ` +
					"Give https://, or, where nobody else is on that network, dangerouslyAllowPlainHttp: true.",
			);
		}
		this.#address = address;
		this.#url = service;
		this.#prefix = prefix;
		this.#headers = ` HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer ${checked(key)}\r\nContent-Type: application/json\r\nContent-Length: `;
		this.#timeout = timeout;
	}

	/** `openedAt`: when this request opened it first, to load it anew. */
	open(token: string, openedAt: number | null = null): Promise<Opened> {
		return this.#post("/v1/open", {token, opened_at: openedAt}, true);
	}

	/** Never sent twice: who knows what became of the first? `wide` is what was opened with the session. */
	commit(commit: Commit, wide: Wide | null = null): Promise<Committed> {
		return this.#post("/v1/commit", commit, false, wide);
	}

	async #post<Result>(path: string, value: object, repeatable: boolean, wide: Wide | null = null): Promise<Result> {
		const json = JSON.stringify(value);
		const body = wide ? exact(json, wide) : json;
		const length = Buffer.byteLength(body);
		const request = `POST ${this.#prefix}${path}${this.#headers}${length}\r\n\r\n${body}`;
		let answer;
		try {
			answer = await this.#call(request, repeatable);
		} catch (error) {
			throw this.#failed(`The session service at ${this.#url} did not answer: ${(error as Error).message}.`, error);
		}
		const result = read(answer);
		if (answer.status === 200 && typeof result?.status === "string") {
			if (this.#away) this.#back();
			return {...result, wide: wideIn(answer.body)} as Result;
		}
		throw this.#refusal(answer.status, result as Partial<Problem> & {type?: string});
	}

	#refusal(status: number, said: (Partial<Problem> & {type?: string}) | null): SojournError {
		const code = /^urn:sojourn:problem:([a-z-]+)$/.exec(said?.type ?? "")?.[1];
		if (code === undefined) {
			// A proxy in between, most likely.
			const message = `The session service at ${this.#url} answered ${status}, and not as Sojourn does.`;
			return status >= 500 ? this.#failed(message) : new SojournError("unexpected-answer", message);
		}
		const {type, ...members} = said!;
		const problem = {title: "", detail: "", ...members, status, code};
		if (code === "store-unavailable") return this.#failed("The session service does not reach its store.");
		if (TOLD.has(code) || isOfProof(code)) return new SojournError(code, problem.detail, problem);
		return new SojournError(code, `The session service refused what it was sent (${code}): ${problem.detail}`);
	}

	#call(request: string, repeatable: boolean): Promise<Answer> {
		return new Promise((resolve, reject) => {
			const settle = (result: Answer | Error) => {
				call.settled = true;
				clearTimeout(timer);
				if (result instanceof Error) reject(result);
				else resolve(result);
			};
			const answered = (result: Answer | Error) => {
				if (!call.settled && !(result instanceof Error && this.#repeat(call))) settle(result);
			};
			const call: Call = {request, answered, repeatable, connection: null, together: [], settled: false};
			const timer = setTimeout(() => {
				const error = new Error(`nothing within ${this.#timeout} ms`);
				this.#waiting.delete(call);
				settle(error);
				// A late answer keeps its place, and is dropped, while others of that connection still wait for theirs.
				if (call.together.every(({settled}) => settled)) call.connection?.close(error);
			}, this.#timeout);
			this.#waiting.add(call);
			if (!repeatable) this.#next();
			else if (this.#waiting.size === 1) setImmediate(() => this.#next());
		});
	}

	/** A server that restarted hangs up on kept connections: that says nothing about a new one. */
	#repeat(call: Call): boolean {
		if (!call.repeatable || !call.connection!.used) return false;
		if (this.#again.push(call) === 1) {
			setImmediate(() => {
				const calls = this.#again.splice(0).filter(({settled}) => !settled);
				while (calls.length > 0) this.#send(calls.splice(0, MOST_TOGETHER), this.#connect());
			});
		}
		return true;
	}

	#send(calls: Call[], connection: Connection): void {
		for (const call of calls) {
			call.connection = connection;
			call.together = calls;
		}
		connection.ask([...calls]);
	}

	#take(): Connection | null {
		for (let connection; (connection = this.#idle.pop()); ) {
			if (performance.now() - connection.idleSince < KEEP_IDLE) return connection;
			this.#all.delete(connection);
			connection.close(new Error("idle for too long"));
		}
		return this.#all.size < MOST_CONNECTIONS ? this.#connect() : null;
	}

	#connect(): Connection {
		const connection = new Connection(
			this.#address,
			(idle) => this.#release(idle),
			(closed) => this.#forget(closed),
		);
		this.#all.add(connection);
		return connection;
	}

	#release(connection: Connection): void {
		connection.idleSince = performance.now();
		this.#idle.push(connection);
		this.#next();
	}

	#forget(connection: Connection): void {
		if (!this.#all.delete(connection)) return;
		const index = this.#idle.indexOf(connection);
		if (index >= 0) this.#idle.splice(index, 1);
		this.#next();
	}

	#next(): void {
		while (this.#waiting.size > 0) {
			const connection = this.#take();
			if (!connection) return;
			const calls: Call[] = [];
			for (const call of this.#waiting) {
				// A write goes alone: it may take long, and is not repeated.
				if (calls.length > 0 && !call.repeatable) break;
				this.#waiting.delete(call);
				if (calls.push(call) === MOST_TOGETHER || !call.repeatable) break;
			}
			this.#send(calls, connection);
		}
	}

	#failed(message: string, cause?: unknown): SojournError {
		if (!this.#away) {
			this.#away = true;
			process.emitWarning(`${message} Requests with a session get 503 until it does.`, "SojournWarning");
		}
		return unavailable(message, cause);
	}

	#back(): void {
		this.#away = false;
		process.emitWarning(`The session service at ${this.#url} answers again.`, "SojournWarning");
	}
}

function read({body}: Answer): {status?: unknown} | null {
	try {
		return JSON.parse(body);
	} catch {
		return null;
	}
}

function checked(key: string | undefined): string {
	if (key !== undefined && KEY.test(key)) return key;
	const what = !key ? "there is none" : key.startsWith("sj1-") ? "this is a session's token" : "this is none";
	throw configuration(`key: give the service's API key, sjk1-… (${what}). \`sojourn keys make\` makes one.`);
}

function parse(service: string): {address: Address; host: string; prefix: string} {
	const path = /^unix:(?:\/\/)?(\/.+)$/.exec(service)?.[1];
	if (path !== undefined) return {address: {path}, host: "localhost", prefix: ""};
	const url = URL.canParse(service) ? new URL(service) : null;
	if (!url || !/^https?:$/.test(url.protocol) || url.username || url.password || url.search || url.hash) {
		throw configuration("service: give the service's address, such as 'http://127.0.0.1:8100' or 'unix:/run/sojourn.sock'.");
	}
	const tls = url.protocol === "https:";
	const port = Number(url.port || (tls ? 443 : 80));
	return {
		address: {host: url.hostname.replace(/^\[|\]$/g, ""), port, tls},
		host: url.host,
		prefix: url.pathname.replace(/\/+$/, ""),
	};
}
