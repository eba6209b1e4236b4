import type {Asked} from "./batch.js";
import type {Address} from "./connection.js";
import {Connections} from "./connections.js";
import {Ends} from "./ends.js";
import {configuration, SojournError, unavailable, type Problem} from "./errors.js";
import {isOfProof} from "./problem.js";
import {exact, type Wide} from "./wide.js";
import type {Commit, Committed, Opened, ShownKey} from "./wire.js";

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
/** What a visitor may be told; any other refusal is a mistake of who wrote or runs the application. */
const TOLD = new Set(["session-ended", "session-conflict", "session-limit", "session-refused", "data-too-large", "body-too-large", "reauthentication-required", "store-unavailable"]);

/** The session service, over a few connections that stay open. */
export class Service {
	readonly #url: string;
	readonly #connections: Connections;
	/** Who waits for the end of a session. */
	readonly ends: Ends;
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
		this.#url = service;
		const authorization = `Bearer ${checked(key)}`;
		const headers = ` HTTP/1.1\r\nHost: ${host}\r\nAuthorization: ${authorization}\r\nContent-Type: `;
		this.#connections = new Connections(address, {prefix, headers}, timeout);
		this.ends = new Ends(address, prefix, {Host: host, Authorization: authorization});
	}

	/** `openedAt`: when this request opened it first, to load it anew. Not sent twice with a proof either: that is good once. */
	open(token: string, openedAt: number | null = null, key: ShownKey | null = null): Promise<Opened> {
		return this.#post("open", {token, opened_at: openedAt, ...key}, null, key?.presented?.proof != null || key?.device?.signed !== undefined);
	}

	/** Never sent twice: who knows what became of the first? `wide` is what was opened with the session. */
	commit(commit: Commit, wide: Wide | null = null): Promise<Committed> {
		return this.#post("commit", commit, wide, true);
	}

	async #post<Result>(name: Asked["name"], asked: object, wide: Wide | null, isOnce: boolean): Promise<Result> {
		const json = JSON.stringify(asked);
		let answer;
		try {
			answer = await this.#connections.ask(name, wide ? exact(json, wide) : json, isOnce);
		} catch (error) {
			throw this.#failed(`The session service at ${this.#url} did not answer: ${(error as Error).message}.`, error);
		}
		const result = answer.value as {status?: unknown; wide: Wide | null} | null;
		if (answer.status === 200 && typeof result?.status === "string") {
			if (this.#away) this.#back();
			result.wide = answer.wide;
			return result as Result;
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
