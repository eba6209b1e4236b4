// Sessions that are bound to a key: a token opens nothing without it, wherever a router is mounted and whatever framework.
import assert from "node:assert/strict";
import {createHash} from "node:crypto";
import {once} from "node:events";
import {connect} from "node:net";
import {after, before, beforeEach, test} from "node:test";
import fastify from "fastify";
import {sojourn} from "sojourn-express";
import {sojournFastify} from "sojourn-express/fastify";
import {sessions} from "sojourn-express/fetch";
import {SojournStore} from "sojourn-express/store";
import {NAME, startRelay, startService} from "./service.js";
import {closeAll, listen, problem, VERSIONS, visitor} from "./visitor.js";

const ORIGIN = "https://app.example.com";

let service;
let relay;
let options;
before(async () => {
	service = await startService({config: `[policy]\nbinding = "prefer"\n[browser]\npublic_origin = "${ORIGIN}"\nscript_readable_tokens = true\nbind_cookies = true\n`});
	relay = await startRelay(service);
	options = {service: relay.url, key: service.key, scriptReadableTokens: true, publicOrigin: ORIGIN};
});
after(async () => {
	closeAll();
	relay.stop();
	await service.stop();
});
beforeEach(() => relay.clear());

const base64url = (value) => Buffer.from(value).toString("base64url");

/** Signs proofs: a function of a method and a URL, and of what else they say. */
async function makeKey() {
	const algorithm = {name: "ECDSA", namedCurve: "P-256"};
	const {privateKey, publicKey} = await crypto.subtle.generateKey(algorithm, true, ["sign"]);
	const {kty, crv, x, y} = await crypto.subtle.exportKey("jwk", publicKey);
	const sign = async (typ, claims) => {
		const text = [{typ, alg: "ES256", jwk: {kty, crv, x, y}}, claims].map((part) => base64url(JSON.stringify(part))).join(".");
		const signature = await crypto.subtle.sign({name: "ECDSA", hash: "SHA-256"}, privateKey, Buffer.from(text));
		return `${text}.${base64url(signature)}`;
	};
	const prove = (htm, htu, {token, nonce, at = Date.now() / 1000} = {}) => {
		const ath = token && createHash("sha256").update(token).digest("base64url");
		return sign("dpop+jwt", {jti: crypto.randomUUID(), htm, htu, iat: Math.floor(at), nonce, ath});
	};
	return Object.assign(prove, {sign});
}

/** A browser that another back end has logged in, and that has bound its session: its token's cookie, and the bound one. */
async function bindCookie() {
	const {token, device} = (await service.commit({action: {type: "login", user_id: "ada"}})).body;
	const [, challenge] = /challenge="(.*)"/.exec(device.registration);
	const cookies = [`${NAME}=${token}`, device.set_cookie.split(";")[0]];
	const headers = {Cookie: cookies.join("; "), "Secure-Session-Response": await (await makeKey()).sign("dbsc+jwt", {jti: challenge})};
	assert.equal((await fetch(`${service.url}/session/dbsc/register`, {method: "POST", headers})).status, 200);
	return cookies;
}

/** A script that another back end has logged in: its token, and what it sends to open it. */
async function logIn(user = "ada") {
	const prove = await makeKey();
	const presented = {method: "POST", url: `${ORIGIN}/log-in`, proof: await prove("POST", `${ORIGIN}/log-in`)};
	const {body} = await service.commit({presented, action: {type: "login", user_id: user}});
	assert.equal(body.session.bound, "browser");
	const {token, nonce} = body;
	const headers = async (path, method = "GET") => ({Authorization: `DPoP ${token}`, DPoP: await prove(method, ORIGIN + path, {token, nonce})});
	return {token, headers, begin: async (path) => ({"Sojourn-Transport": "bearer", DPoP: await prove("POST", ORIGIN + path)})};
}

for (const [version, express] of VERSIONS) {
	test(`${version}: the token of a bound session is refused in a cookie, and ends nothing`, async () => {
		const app = express();
		app.use(sojourn({service: service.url, key: service.key}));
		app.use((req, res) => res.send("opened"));
		const {token} = await logIn();
		const answer = await fetch(await listen(app), {headers: {Cookie: `${NAME}=${token}`}});

		assert.equal(answer.status, 401);
		assert.equal((await answer.json()).type, "urn:sojourn:problem:proof-required");
		// That is for scripts: a browser without the key is to forget the cookie.
		assert.equal(answer.headers.get("www-authenticate"), null);
		assert.match(answer.headers.getSetCookie()[0], new RegExp(`^${NAME}=; Max-Age=0; `));
		const again = await service.open(token);
		assert.equal(again.type, "urn:sojourn:problem:proof-required");
	});

	test(`${version}: a proof is for the whole path, wherever the router is mounted`, async () => {
		const app = express();
		const router = express.Router();
		router.use(sojourn(options));
		router.get("/notes/:id", (req, res) => res.json(req.session.userId));
		app.use("/api/v1", router);
		const [url, {headers}] = [await listen(app), await logIn()];

		assert.equal((await visitor(url).get("/api/v1/notes/%C3%A4?a=1", {headers: await headers("/api/v1/notes/%C3%A4")})).json(), "ada");
		assert.equal(problem(await visitor(url).get("/api/v1/notes/1", {headers: await headers("/notes/1")})).code, "proof-url");
	});

	test(`${version}: what is loaded, changed and loaded anew in one request takes one proof`, async () => {
		const app = express();
		app.use(sojourn(options));
		app.get("/", async (req, res) => {
			req.session.a = 1;
			await req.session.save();
			await req.session.reload();
			await req.session.regenerate();
			await req.session.login("eve");
			res.json([req.session.userId, req.session.increment("n")]);
		});
		const [url, {headers}] = [await listen(app), await logIn()];
		const answer = await visitor(url).get("/", {headers: await headers("/")});

		assert.deepEqual(answer.json(), ["eve", 1]);
		assert.match(answer.headers.get("sojourn-token"), /^sj1-/);
		assert.notEqual(answer.headers.get("dpop-nonce"), null);
		assert.deepEqual(answer.headers.getSetCookie(), []);
		const [opened, ...commits] = relay.carried().filter(({asked}) => asked.presented);
		assert.deepEqual([opened.name, commits], ["open", []]);
	});

	test(`${version}: a browser whose clock is wrong learns the time from the answer to its log-in, whoever makes that`, async () => {
		const app = express();
		app.use(sojourn(options));
		app.post("/thrown", (req, res, next) => void req.session.login("ada").then(() => res.end(), next));
		app.post("/caught", (req, res) => void req.session.login("ada").then(() => res.end(), (error) => res.status(error.status).json(error.code)));
		app.post("/unheard", (req, res) => {
			req.session.login("ada");
			res.end();
		});
		const [url, prove] = [await listen(app), await makeKey()];
		for (const path of ["/thrown", "/caught", "/unheard"]) {
			const ask = async (at) => visitor(url).post(path, {headers: {"Sojourn-Transport": "bearer", DPoP: await prove("POST", ORIGIN + path, {at})}});
			const refused = await ask(Date.now() / 1000 - 3600);
			const {headers} = refused;
			assert.deepEqual([refused.status, headers.get("www-authenticate"), headers.get("sojourn-token")], [401, 'DPoP error="use_dpop_nonce", algs="ES256"', null]);
			assert.equal(headers.get("cache-control"), "no-store");
			const told = Number.parseInt(headers.get("dpop-nonce"), 10);
			assert.ok(Math.abs(told - Date.now() / 1000) < 60);
			const answer = await ask(told);
			assert.deepEqual([answer.status, answer.headers.get("sojourn-token")?.slice(0, 4)], [200, "sj1-"]);
		}
	});

	test(`${version}: a bound session's token among several cookies hinders no other`, async () => {
		const app = express();
		app.use(sojourn(options));
		app.get("/", (req, res) => res.json(req.session.userId));
		const [url, {token}] = [await listen(app), await logIn()];
		const {body} = await service.commit({action: {type: "login", user_id: "eve"}});
		for (const tokens of [[token, body.token], [body.token, token]]) {
			const cookie = tokens.map((each) => `${NAME}=${each}`).join("; ");
			assert.equal((await visitor(url).get("/", {headers: {cookie}})).json(), "eve");
		}
	});
}

const [, [, express]] = VERSIONS;

async function reader() {
	const app = express();
	app.use(sojourn(options));
	app.get("/notes", (req, res) => res.json(req.session.userId));
	return listen(app);
}

test("a proof is not sent twice to the service, where its answer is lost", async () => {
	const [url, {headers}] = [await reader(), await logIn()];
	assert.equal((await visitor(url).get("/notes", {headers: await headers("/notes")})).json(), "ada");
	relay.clear("lose");
	const lost = await visitor(url).get("/notes", {headers: await headers("/notes")});

	assert.deepEqual([problem(lost).code, relay.carried().length], ["store-unavailable", 1]);
	relay.clear();
	assert.equal((await visitor(url).get("/notes", {headers: await headers("/notes")})).json(), "ada");
});

test("a proxy may send the whole URL, and a program none", async () => {
	const [url, {headers}] = [await reader(), await logIn()];
	const {hostname, port} = new URL(url);
	for (const [line, proof, expected] of [
		["GET http://inner.example:8080/notes", await headers("/notes"), /^HTTP\/1\.1 200 OK\r\n[^]*"ada"$/],
		["GET http://inner.example/notes?a=1", await headers("/notes"), /^HTTP\/1\.1 200 OK\r\n[^]*"ada"$/],
		["OPTIONS *", await headers("/", "OPTIONS"), /^HTTP\/1\.1 404 Not Found\r\n/],
		["OPTIONS *", await headers("/notes", "OPTIONS"), /^HTTP\/1\.1 401 Unauthorized\r\n[^]*proof-url/],
	]) {
		const socket = connect(Number(port), hostname).setEncoding("utf8");
		const lines = Object.entries({Host: "inner.example", Connection: "close", ...proof}).map(([name, value]) => `${name}: ${value}\r\n`);
		socket.write(`${line} HTTP/1.1\r\n${lines.join("")}\r\n`);
		let text = "";
		socket.on("data", (more) => (text += more));
		await once(socket, "close");
		assert.match(text, expected);
	}
});

test("Fastify, the Fetch standard and express-session take the bound tokens of scripts and cookies of browsers, too", async () => {
	const app = fastify();
	await app.register(sojournFastify, options);
	app.post("/log-in", async (request) => {
		await request.session.login("ada");
		return "in";
	});
	app.get("/notes", async (request) => [request.session.userId]);
	await app.ready();
	const {handle} = sessions(options);
	const kept = express();
	const store = new SojournStore(options);
	kept.use(store.session({resave: false, saveUninitialized: false}));
	kept.get("/notes", (req, res) => res.json([store.userId(req)]));
	kept.post("/log-in", (req, res) => {
		req.session.user = "ada";
		res.send("in");
	});
	const handlers = {"/notes": (session) => Response.json([session.userId]), "/log-in": (session) => session.login("ada").then(() => new Response("in"))};
	const url = await listen(kept);
	const ask = {
		fastify: async (method, path, headers) => {
			const answer = await app.inject({method, url: path, headers});
			return {status: answer.statusCode, headers: new Headers(answer.headers), json: async () => answer.json()};
		},
		fetch: (method, path, headers) => handle(new Request(`http://inner.example${path}`, {method, headers}), handlers[path]),
		store: (method, path, headers) => fetch(url + path, {method, headers}),
	};
	for (const [name, send] of Object.entries(ask)) {
		const {headers, begin, token} = await logIn();
		const answer = await send("GET", "/notes", await headers("/notes"));
		assert.deepEqual([answer.status, await answer.json()], [200, ["ada"]], name);
		const begun = await send("POST", "/log-in", await begin("/log-in"));
		assert.equal(begun.status, 200, name);
		assert.match(begun.headers.get("sojourn-token"), /^sj1-/, name);
		assert.match(begun.headers.get("dpop-nonce"), /^\d+-/, name);
		assert.deepEqual([begun.headers.get("cache-control"), begun.headers.get("set-cookie")], ["no-store", null], name);
		assert.equal(begun.headers.get("vary").toLowerCase(), "cookie, authorization", name);
		const stolen = await send("GET", "/notes", {Authorization: `Bearer ${token}`});
		assert.deepEqual([stolen.status, (await stolen.json()).type, stolen.headers.get("sojourn-token")], [401, "urn:sojourn:problem:proof-required", "none"], name);

		const [cookie, bound] = await bindCookie();
		const shown = await send("GET", "/notes", {Cookie: `${cookie}; ${bound}`});
		assert.deepEqual([shown.status, await shown.json()], [200, ["ada"]], name);
		const copied = await send("GET", "/notes", {Cookie: cookie});
		assert.deepEqual([copied.status, (await copied.json()).type], [401, "urn:sojourn:problem:proof-required"], name);
		assert.match(copied.headers.get("set-cookie"), new RegExp(`^${NAME}=; Max-Age=0; `), name);
		const followed = await send("GET", "/notes", {Cookie: cookie, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"});
		// Node's own fetch says no other Sec-Fetch-Mode than its own.
		assert.deepEqual([followed.status, followed.headers.get("refresh"), followed.headers.get("set-cookie")], [401, name === "store" ? null : "0", null], name);
		const skipped = await send("GET", "/notes", {Cookie: cookie, "Secure-Session-Skipped": "unreachable"});
		assert.deepEqual([skipped.status, skipped.headers.get("set-cookie")], [401, null], name);
		const offered = (await send("POST", "/log-in", {})).headers.get("secure-session-registration");
		// express-session knows of no log-in.
		if (name === "store") assert.equal(offered, null);
		else assert.match(offered, /^\(ES256 RS256\);path="\/session\/dbsc\/register";challenge="/, name);
	}
	await app.close();
});

test("a problem in the place of handle's answer brings the token of a log-in that was committed before", async () => {
	const {handle} = sessions(options);
	for (const headers of [{}, {"Sojourn-Transport": "bearer"}]) {
		for (const [status, late] of [[401, (session) => session.requireLogin({level: "aal2"})], [413, (session) => (session.large = "x".repeat(40_000))]]) {
			const answer = await handle(new Request("http://inner.example/", {method: "POST", headers}), async (session) => {
				await session.login("ada");
				late(session);
				return new Response("in");
			});
			const {headers: told} = answer;
			assert.deepEqual([answer.status, told.get("content-type"), told.get("cache-control")], [status, "application/problem+json", "no-store"]);
			const token = told.get("sojourn-token") ?? new RegExp(`${NAME}=([^;]+)`).exec(told.getSetCookie().join())[1];
			assert.equal((await service.open(token)).session.user_id, "ada");
		}
	}
});

test("an origin that is none, or is in vain, is refused at once", () => {
	for (const publicOrigin of ["app.example.com", "https://app.example.com/", "https://App.example.com", "https://app.example.com:443", "capacitor://localhost", null]) {
		assert.throws(() => sojourn({...options, publicOrigin}), {code: "configuration", message: /publicOrigin is /});
	}
	assert.throws(() => sojourn({...options, scriptReadableTokens: false}), {code: "configuration", message: /scriptReadableTokens: true/});
});
