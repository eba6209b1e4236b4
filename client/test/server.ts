import {randomBytes} from "node:crypto";
import {createServer, type IncomingMessage, type Server} from "node:http";
import type {AddressInfo} from "node:net";

/** What the server keeps of a session. */
export interface Kept {
	id: string;
	secrets: Set<string>;
	userId: string | null;
	createdAt: number;
	seenAt: number;
	version: number;
	data: Record<string, unknown>;
	endedAt: number | null;
	endReason: string | null;
	follows?: string;
}

export interface Asked {
	method: string;
	path: string;
	headers: IncomingMessage["headers"];
	body: any;
}

type Reply = {status: number; headers?: Record<string, string>; body?: unknown};

const hex = (bytes: number) => randomBytes(bytes).toString("hex");

/** Sojourn's wire, for real but in memory, with a clock of its own and faults on demand. */
export class TestServer {
	skew: number = 0;
	idle: number = 600_000;
	absolute: number = 3_600_000;
	mustRotate: boolean = false;
	sessions: Map<string, Kept> = new Map();
	log: Asked[] = [];
	/** Answers instead of the server; "drop" cuts the connection. */
	fault: (asked: Asked) => Reply | "drop" | undefined = () => undefined;
	/** Holds an answer back after it was made. */
	hold: (asked: Asked) => Promise<void> | undefined = () => undefined;
	/** Holds a request back before it is looked at. */
	delay: (asked: Asked) => Promise<void> | undefined = () => undefined;
	private server: Server;
	url: string = "";

	constructor() {
		this.server = createServer(async (request, response) => {
			let text = "";
			for await (const chunk of request) text += chunk;
			const asked: Asked = {
				method: request.method!,
				// As the real one: with or without a slash at the end.
				path: request.url!.replace(/(.)\/$/, "$1"),
				headers: request.headers,
				body: text ? JSON.parse(text) : undefined,
			};
			this.log.push(asked);
			await this.delay(asked);
			const reply = this.fault(asked) ?? this.answer(asked);
			await this.hold(asked);
			if (reply === "drop") return void request.socket.destroy();
			response.writeHead(reply.status, {"Content-Type": "application/json", ...reply.headers});
			response.end(reply.body === undefined ? undefined : JSON.stringify(reply.body));
		});
	}

	async open(): Promise<this> {
		await new Promise<void>((resolve) => this.server.listen(0, "127.0.0.1", resolve));
		this.url = `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
		return this;
	}

	async close(): Promise<void> {
		this.server.closeAllConnections();
		await new Promise((resolve) => this.server.close(resolve));
	}

	now(): number {
		return Date.now() + this.skew;
	}

	/** Requests of a kind, as "GET /session". */
	count(kind: string): number {
		return this.log.filter(({method, path}) => `${method} ${path}` === kind).length;
	}

	create(values: Partial<Kept> = {}): Kept {
		const now = this.now();
		const kept: Kept = {
			id: hex(16),
			secrets: new Set([hex(32)]),
			userId: null,
			createdAt: now,
			seenAt: now,
			version: 1,
			data: {},
			endedAt: null,
			endReason: null,
			...values,
		};
		this.sessions.set(kept.id, kept);
		return kept;
	}

	token(kept: Kept): string {
		return `sj1-${kept.id}-${[...kept.secrets].at(-1)}`;
	}

	end(kept: Kept, reason: string): void {
		kept.endedAt ??= this.now();
		kept.endReason ??= reason;
	}

	expiry(kept: Kept): number {
		return Math.min(kept.seenAt + this.idle, kept.createdAt + this.absolute);
	}

	state(kept: Kept | undefined): Record<string, unknown> {
		const isLive = kept && !kept.endedAt;
		return {
			status: !kept ? "none" : isLive ? "active" : "ended",
			id: kept?.id ?? null,
			user_id: kept?.userId ?? null,
			created_at: kept?.createdAt ?? null,
			authenticated_at: null,
			seen_at: kept?.seenAt ?? null,
			expires_at: isLive ? this.expiry(kept) : null,
			absolute_expires_at: kept ? kept.createdAt + this.absolute : null,
			idle_timeout: kept ? this.idle : null,
			version: kept?.version ?? null,
			bound: null,
			data: isLive ? kept.data : {},
			end_reason: kept?.endReason ?? null,
			ended_at: kept?.endedAt ?? null,
			follows: kept?.follows ?? null,
			now: this.now(),
		};
	}

	private find(asked: Asked): Kept | undefined {
		const token =
			asked.headers["sojourn-transport"] === "bearer"
				? asked.headers.authorization?.slice(7)
				: /sid=([^;]+)/.exec(asked.headers.cookie ?? "")?.[1];
		const [, id, secret] = token?.split("-") ?? [];
		const kept = this.sessions.get(id ?? "");
		if (!kept?.secrets.has(secret!)) return;
		if (!kept.endedAt && this.now() >= this.expiry(kept)) {
			const isIdle = kept.seenAt + this.idle <= kept.createdAt + this.absolute;
			kept.endedAt = this.expiry(kept);
			kept.endReason = isIdle ? "idle_timeout" : "absolute_timeout";
		}
		return kept;
	}

	private answer(asked: Asked): Reply {
		const {method, path, body, headers} = asked;
		const isBearer = headers["sojourn-transport"] === "bearer";
		const kept = this.find(asked);
		const live = kept && !kept.endedAt ? kept : undefined;
		const give = (to: Kept | null): Record<string, string> =>
			isBearer
				? {"Sojourn-Token": to ? this.token(to) : "none"}
				: {"Set-Cookie": to ? `sid=${this.token(to)}; Path=/` : "sid=; Path=/; Max-Age=0"};
		const ok = (value: unknown, more = {}): Reply => ({status: 200, headers: more, body: value});
		const problem = (status: number, code: string, more = {}): Reply => ({
			status,
			body: {type: `urn:sojourn:problem:${code}`, title: code, status, detail: `it is ${code}`, ...more},
		});
		const refusal = () =>
			kept ? problem(401, "session-ended", {end_reason: kept.endReason}) : problem(401, "no-session");

		switch (`${method} ${path}`) {
			case "GET /session": {
				if (live && this.mustRotate) {
					live.secrets.add(hex(32));
					return ok(this.state(live), give(live));
				}
				return ok(this.state(kept));
			}
			case "POST /session/start": {
				const used = live ?? this.create(kept?.endReason ? {follows: kept.endReason} : {});
				if (body?.data) Object.assign(used.data, body.data), used.version++;
				return ok(this.state(used), live ? {} : give(used));
			}
			case "PATCH /session":
				if (!live) return refusal();
				if ("secret" in body.set) return problem(403, "not-writable");
				for (const key of body.remove) delete live.data[key];
				Object.assign(live.data, body.set);
				live.version++;
				live.seenAt = this.now();
				return ok(this.state(live));
			case "POST /session/touch":
				if (!live) return refusal();
				live.seenAt = this.now();
				return ok(this.state(live));
			case "POST /session/logout":
				if (!kept) return ok(this.state(undefined));
				this.end(kept, "logout");
				return ok(this.state(kept), give(null));
			case "GET /session/sessions": {
				if (!live) return refusal();
				const mine = [...this.sessions.values()].filter((one) => one.userId === live.userId && !one.endedAt);
				return ok({
					sessions: mine.map((one) => ({
						id: one.id,
						current: one === live,
						device: "Chrome on Linux",
						ip: null,
						created_at: one.createdAt,
						authenticated_at: null,
						seen_at: one.seenAt,
						expires_at: this.expiry(one),
					})),
				});
			}
			case "DELETE /session/sessions": {
				const others = [...this.sessions.values()].filter((one) => one !== live && one.userId === live?.userId && !one.endedAt);
				for (const one of others) this.end(one, "revoked");
				return ok({ended: others.length});
			}
			case "POST /login": {
				const fresh = this.create({userId: body?.user ?? "ada"});
				if (kept) this.end(kept, "replaced");
				return ok({welcome: true}, give(fresh));
			}
			case "GET /api":
				if (live) live.seenAt = this.now();
				return ok({hello: "world"});
		}
		if (method === "DELETE" && path.startsWith("/session/sessions/")) {
			const one = this.sessions.get(path.split("/").at(-1)!);
			const isLive = one && !one.endedAt;
			if (isLive) this.end(one, "revoked");
			return isLive ? ok({ended: 1}) : problem(404, "not-found");
		}
		return problem(404, "not-found");
	}
}
