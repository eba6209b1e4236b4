// A real `sojourn serve` for the tests, and a relay before it that counts, delays and breaks.
import {execFileSync, spawn} from "node:child_process";
import {randomInt} from "node:crypto";
import {once} from "node:events";
import {mkdtempSync, readFileSync, rmSync, writeFileSync} from "node:fs";
import {createServer, request} from "node:http";
import {createServer as createTcpServer} from "node:net";
import {tmpdir} from "node:os";
import {join} from "node:path";
import {fileURLToPath} from "node:url";

const SOJOURN = process.env.SOJOURN ?? fileURLToPath(new URL("../../../.venv/bin/sojourn", import.meta.url));

export const NAME = "__Host-session";
export const FOREIGN = `sj1-${"0".repeat(32)}-${"f".repeat(64)}`;

/** One below the range that systems take for outgoing connections: nothing slips in while the service is down. */
async function freePort() {
	for (;;) {
		const port = randomInt(11_000, 22_000);
		const server = createTcpServer().listen(port, "127.0.0.1");
		const isFree = await once(server, "listening").then(
			() => true,
			() => false,
		);
		if (!isFree) continue;
		server.close();
		await once(server, "close");
		return port;
	}
}

/** Waits until `condition` holds, and gives what it gives. */
export async function until(condition, patience = 60_000) {
	for (const deadline = Date.now() + patience; ; ) {
		const found = await condition();
		if (found) return found;
		if (Date.now() > deadline) throw new Error(`not within ${patience} ms: ${condition}`);
		await new Promise((resolve) => setTimeout(resolve, 10));
	}
}

/** `config` is TOML, such as "[policy]\nmax_sessions = 1\n". */
export async function startService({config = "", socket = false} = {}) {
	const folder = mkdtempSync(join(tmpdir(), "sojourn-"));
	const file = (name) => join(folder, name);
	let keys = 0;
	const makeKey = (...scopes) =>
		execFileSync(SOJOURN, ["keys", "make", "--keys", file("keys.json"), "--name", `test ${++keys}`, ...scopes.flatMap((scope) => ["--scope", scope])], {
			encoding: "utf8",
			stdio: ["ignore", "pipe", "ignore"],
		}).trim();
	const key = makeKey("sessions");
	const adminKey = makeKey("admin");
	writeFileSync(file("config.toml"), config);
	const port = await freePort();
	const url = socket ? `unix:${file("service.sock")}` : `http://127.0.0.1:${port}`;
	const where = socket ? ["--uds", file("service.sock")] : ["--port", String(port)];
	const log = [];
	let child;

	async function start() {
		child = spawn(
			SOJOURN,
			["serve", "--store", `sqlite:///${file("sessions.db")}`, "--keys", file("keys.json"), "--config", file("config.toml"), "--log-level", "debug", ...where],
			{stdio: ["ignore", "pipe", "pipe"]},
		);
		for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => log.push(text));
		await until(() => {
			if (child.exitCode !== null) throw new Error(`the service ended:\n${log.join("")}`);
			return get("/health");
		});
	}

	function ask(method, path, body, token = key) {
		return new Promise((resolve) => {
			const target = socket ? {socketPath: file("service.sock")} : {host: "127.0.0.1", port};
			const headers = {authorization: `Bearer ${token}`, "content-type": "application/json"};
			const asked = request({...target, method, path, headers, agent: false}, async (response) => {
				let text = "";
				for await (const chunk of response.setEncoding("utf8")) text += chunk;
				resolve({status: response.statusCode, body: JSON.parse(text), text});
			});
			asked.on("error", () => resolve(null));
			asked.end(typeof body === "object" ? JSON.stringify(body) : body);
		});
	}
	const get = async (path) => (await ask("GET", path))?.status === 200;

	async function end(signal) {
		const gone = once(child, "exit");
		child.kill(signal);
		await gone;
	}

	await start();
	return {
		url,
		port,
		key,
		adminKey,
		makeKey,
		start,
		log: () => log.join(""),
		kill: () => end("SIGKILL"),
		/** As another back end would: what is in a session, by its token. */
		open: async (token) => (await ask("POST", "/v1/open", {token})).body,
		/** The same, as it was sent. */
		text: async (token) => (await ask("POST", "/v1/open", {token})).text,
		commit: (body) => ask("POST", "/v1/commit", body.token ? {status: "active", ...body} : body),
		revoke: (id) => ask("DELETE", `/v1/sessions/${id}`, undefined, adminKey),
		revokeKey: () => execFileSync(SOJOURN, ["keys", "revoke", "--keys", file("keys.json"), key.slice(5, 13)], {stdio: "ignore"}),
		async stop() {
			if (child.exitCode === null && child.signalCode === null) await end("SIGTERM");
			rmSync(folder, {recursive: true});
		},
	};
}

/** Stands before the service; `mode` may be changed at any time. */
export async function startRelay(service) {
	const calls = [];
	const bodies = [];
	const relay = {calls, bodies, mode: "pass", held: [], hidesBatches: false};
	relay.clear = (mode = "pass") => {
		relay.mode = mode;
		calls.length = bodies.length = 0;
		for (const go of relay.held.splice(0)) go();
	};
	/** The opens and commits that came, alone or in a batch. */
	relay.carried = () => calls.flatMap((path, place) => callsIn(path, bodies[place]));
	/** In mode "hold": lets the oldest call through, once it is there. */
	relay.release = async () => {
		await until(() => relay.held.length);
		relay.held.shift()();
	};
	const server = createServer(async (req, res) => {
		const chunks = [];
		for await (const chunk of req) chunks.push(chunk);
		const body = Buffer.concat(chunks);
		let {mode} = relay;
		if (mode === "reset once") [mode, relay.mode] = ["reset", "pass"];
		if (mode.endsWith?.("commits")) mode = callsIn(req.url, body).some(({name}) => name === "commit") ? mode.split(" ")[0] : "pass";
		calls.push(req.url);
		bodies.push(body.toString());
		if (mode === "hang") return;
		if (mode.startsWith?.("cut")) [mode, relay.mode] = req.url === "/v1/batch" ? [mode, "pass"] : ["pass", mode];
		if (relay.hidesBatches && req.url === "/v1/batch") {
			const body = JSON.stringify({type: "urn:sojourn:problem:not-found", title: "", status: 404, detail: ""});
			return void res.writeHead(404, {"Content-Type": "application/problem+json", "Content-Length": body.length}).end(body);
		}
		if (typeof mode === "object") return void res.writeHead(mode.status, mode.headers).end(mode.body);
		if (mode === "reset") return void req.socket.destroy();
		if (mode === "hold") await new Promise((go) => relay.held.push(go));
		if (mode === "gateway") return void res.writeHead(502, {"Content-Type": "text/html"}).end("<h1>Bad gateway</h1>");
		if (mode === "nonsense") return void req.socket.end("SSH-2.0-OpenSSH_9.2\r\n\r\n");
		const forwarded = request(
			{host: "127.0.0.1", port: service.port, path: req.url, method: req.method, headers: {...req.headers, "content-length": body.length}, agent: false},
			(answer) => {
				const headers = {...answer.headers};
				delete headers.connection;
				if (relay.hidesBatches) delete headers["sojourn-batches"];
				if (mode === "chunked" || mode.startsWith?.("cut")) delete headers["content-length"];
				if (mode === "close") headers.connection = "close";
				if (mode === "lose") return void req.socket.destroy();
				res.writeHead(answer.statusCode, headers);
				if (mode.startsWith?.("cut")) cut(answer, res, Number(mode.split(" ")[1]));
				else if (mode === "dribble") answer.on("data", (chunk) => [...chunk].forEach((byte) => res.write(Buffer.of(byte)))).on("end", () => res.end());
				else answer.pipe(res);
			},
		);
		forwarded.on("error", () => req.socket.destroy());
		forwarded.end(body);
	});
	server.keepAliveTimeout = 0; // whoever lets a connection go, it is not the relay
	server.listen(0, "127.0.0.1");
	await once(server, "listening");
	relay.url = `http://127.0.0.1:${server.address().port}`;
	relay.connections = () => new Promise((resolve) => server.getConnections((_, count) => resolve(count)));
	relay.hangUp = () => server.closeAllConnections();
	relay.stop = () => {
		server.closeAllConnections();
		server.close();
	};
	return relay;
}

/** Each with its name, "open" or "commit", and what is asked. */
function callsIn(path, body) {
	if (path !== "/v1/batch") return [{name: path.slice("/v1/".length), asked: JSON.parse(body)}];
	const lines = String(body).trimEnd().split("\n");
	return lines.flatMap((line) => Object.entries(JSON.parse(line)).map(([name, asked]) => ({name, asked})));
}

/** Passes so many lines on, and hangs up in the next. */
async function cut(answer, res, lines) {
	let text = "";
	for await (const chunk of answer.setEncoding("utf8")) text += chunk;
	const all = text.split("\n");
	res.write(all.slice(0, lines).map((line) => `${line}\n`).join("") + all[lines].slice(0, 20), () => setTimeout(() => res.destroy(), 20));
}

export function vectors(name) {
	return JSON.parse(readFileSync(new URL(`../../../tests/vectors/${name}.json`, import.meta.url), "utf8"));
}
