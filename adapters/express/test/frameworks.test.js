// Frameworks that are not Express: each on its real package, each put to the same sentences.
import assert from "node:assert/strict";
import {createServer} from "node:http";
import {Readable} from "node:stream";
import {after, before, beforeEach, describe, test} from "node:test";
import fastifyExpress from "@fastify/express";
import {getRequestListener} from "@hono/node-server";
import Fastify from "fastify";
import {H3, fromNodeMiddleware, toNodeHandler} from "h3";
import {Hono} from "hono";
import {sojourn} from "sojourn-express";
import {sojournFastify} from "sojourn-express/fastify";
import {refusal, sessions} from "sojourn-express/fetch";
import {SojournStore} from "sojourn-express/store";
import {FOREIGN, startRelay, startService} from "./service.js";
import {closeAll, listen, problem, visitor} from "./visitor.js";

let service;
let relay;
const closing = [];
before(async () => {
	service = await startService();
	relay = await startRelay(service);
});
after(async () => {
	closeAll();
	for (const close of closing) await close();
	relay.stop();
	await service.stop();
});
beforeEach(() => relay.clear());

const options = (more) => ({service: relay.url, key: service.key, timeout: 5000, ...more});

/** What every handler does, by the path of the request: changes to the session, and an answer. */
async function act(path, session) {
	if (path === "/set") session.n = (session.n ?? 0) + 1;
	if (path.startsWith("/key")) session[path.slice(1)] = 1;
	if (path === "/login") await session.login("ada");
	if (path === "/logout") await session.logout();
	if (path === "/fail") session.lost = 1;
	if (path === "/ended") {
		session.late = 1;
		await service.revoke(session.id);
	}
	return {status: path === "/fail" ? 500 : 200, body: {user: session.userId ?? null, data: keys(session)}};
}

const keys = (session) => Object.fromEntries(Object.entries(session).filter(([key]) => key !== "cookie"));
const LONG = "x".repeat(200_000);
const stream = () => Readable.from(Array.from({length: 20}, () => LONG.slice(0, 10_000)));

const fastifyRoutes = (app) => {
	app.get("/stream", (request, reply) => {
		(request.session ?? request.raw.session).n = 1;
		return reply.type("text/plain").send(stream());
	});
	app.get("/raw", (request, reply) => {
		(request.session ?? request.raw.session).n = 1;
		reply.hijack();
		reply.raw.writeHead(200, {"Content-Type": "text/plain"});
		reply.raw.end(LONG);
	});
	app.all("/*", async (request, reply) => {
		const {status, body} = await act(request.url, request.session ?? request.raw.session);
		return reply.code(status).send(body);
	});
};
const listenFastify = async (app) => {
	closing.push(() => app.close());
	return app.listen({port: 0, host: "127.0.0.1"});
};
const listenNode = (handler) => {
	const server = createServer(handler);
	return listen({listen: (...where) => server.listen(...where)});
};

const FRAMEWORKS = {
	async "Fastify, by its plugin"(more) {
		const app = Fastify();
		await app.register(sojournFastify, options(more));
		fastifyRoutes(app);
		return listenFastify(app);
	},
	async "Fastify, by @fastify/express"(more) {
		const app = Fastify();
		await app.register(fastifyExpress);
		app.use(sojourn(options(more)));
		fastifyRoutes(app);
		return listenFastify(app);
	},
	async "Fastify, by @fastify/express, express-session"(more) {
		const app = Fastify();
		await app.register(fastifyExpress);
		app.use(new SojournStore(options(more)).session({resave: false, saveUninitialized: false}));
		fastifyRoutes(app);
		return listenFastify(app);
	},
	async "Hono, by open and commit"(more) {
		const {open, commit} = sessions(options(more));
		const app = new Hono();
		app.use(async (c, next) => {
			const session = await open(c.req.raw);
			c.set("session", session);
			await next();
			const answer = await commit(session, c.res);
			c.res = undefined;
			c.res = answer;
		});
		app.onError((error) => refusal(error));
		app.get("/stream", (c) => {
			c.get("session").n = 1;
			return c.body(Readable.toWeb(stream()), 200, {"Content-Type": "text/plain"});
		});
		app.get("/redirect", (c) => {
			c.get("session").n = 1;
			return c.redirect("/elsewhere", 303);
		});
		app.all("*", async (c) => {
			const {status, body} = await act(c.req.path, c.get("session"));
			return c.json(body, status);
		});
		return listenNode(getRequestListener(app.fetch));
	},
	async "h3, by handle"(more) {
		const {handle} = sessions(options(more));
		const app = new H3();
		app.all("/**", (event) =>
			handle(event.req, async (session) => {
				const {pathname} = new URL(event.req.url);
				if (pathname === "/stream") {
					session.n = 1;
					return new Response(Readable.toWeb(stream()), {headers: {"Content-Type": "text/plain"}});
				}
				if (pathname === "/redirect") {
					session.n = 1;
					return Response.redirect("http://127.0.0.1/elsewhere", 303);
				}
				const {status, body} = await act(pathname, session);
				return Response.json(body, {status});
			}),
		);
		return listenNode(toNodeHandler(app));
	},
	async "h3, by its Node middleware"(more) {
		const app = new H3();
		app.use(fromNodeMiddleware(sojourn(options(more))));
		app.all("/**", async (event) => {
			const {req} = event.runtime.node;
			const {pathname} = new URL(event.req.url);
			if (pathname === "/stream") {
				req.session.n = 1;
				return new Response(Readable.toWeb(stream()), {headers: {"Content-Type": "text/plain"}});
			}
			const {status, body} = await act(pathname, req.session);
			return Response.json(body, {status});
		});
		return listenNode(toNodeHandler(app));
	},
	async "node:http, and nothing else"(more) {
		const middleware = sojourn(options(more));
		return listenNode((req, res) => {
			middleware(req, res, async (error) => {
				if (error) return res.writeHead(500).end();
				if (req.url === "/stream") {
					req.session.n = 1;
					res.writeHead(200, {"Content-Type": "text/plain"});
					return stream().pipe(res);
				}
				const {status, body} = await act(req.url, req.session);
				res.writeHead(status, {"Content-Type": "application/json"}).end(JSON.stringify(body));
			});
		});
	},
};

for (const [name, serve] of Object.entries(FRAMEWORKS)) {
	const isExpressSession = name.includes("express-session");

	describe(name, () => {
		test("a visitor who changes nothing costs nothing; a change begins a session, and others share it", async () => {
			const ada = visitor(await serve());
			assert.deepEqual((await ada.get("/")).json(), {user: null, data: {}});
			assert.deepEqual([relay.calls, ada.told], [[], []]);
			const begun = await ada.get("/set");
			assert.deepEqual([begun.status, begun.json().data, begun.headers.get("cache-control"), begun.headers.get("vary")], [200, {n: 1}, "no-store", "Cookie"]);
			await ada.get("/set");

			assert.equal(ada.told.length, 1);
			assert.deepEqual((await service.open(ada.token)).session.data, {n: 2});
		});

		test("50 parallel writes keep 50", async () => {
			const ada = visitor(await serve());
			await ada.get("/set");
			await Promise.all(Array.from({length: 50}, (_, n) => ada.get(`/key${n}`)));

			assert.equal(Object.keys((await service.open(ada.token)).session.data).length, 51);
		});

		test("what is streamed comes whole, after the commit", async () => {
			const ada = visitor(await serve());
			const answer = await ada.get("/stream");

			assert.equal(answer.body.length, LONG.length);
			assert.deepEqual((await service.open(ada.token)).session.data, {n: 1});
		});

		test("an answer of 500 keeps no change", async () => {
			const {token} = (await service.commit({action: {type: "start"}})).body;
			assert.equal((await visitor(await serve(), token).get("/fail")).status, 500);

			assert.deepEqual((await service.open(token)).session.data, {});
		});

		test("a session that ended meanwhile is a 401 in place of the answer", async () => {
			const {token} = (await service.commit({action: {type: "login", user_id: "ada"}})).body;
			const answer = await visitor(await serve(), token).get("/ended");

			assert.deepEqual(problem(answer), {status: 401, code: "session-ended", endReason: "revoked"});
		});

		test("another site's page is refused, but at a path that is open to it", async () => {
			const url = await serve({crossSitePaths: ["/set"]});
			const headers = {"sec-fetch-site": "cross-site", origin: "https://evil.example"};

			assert.deepEqual(problem(await visitor(url).post("/", {headers})), {status: 403, code: "cross-origin"});
			assert.equal((await visitor(url).post("/set", {headers})).status, 200);
		});

		test("the service away is a 503, at the open and at the commit", async () => {
			const url = await serve();
			relay.mode = "gateway";
			for (const ada of [visitor(url, FOREIGN), visitor(url)]) {
				const answer = await ada.get("/set");
				assert.deepEqual(problem(answer), {status: 503, code: "store-unavailable"});
				assert.deepEqual([answer.headers.get("retry-after"), answer.headers.get("vary"), answer.headers.get("cache-control")], ["2", "Cookie", "no-store"]);
			}
		});

		if (!isExpressSession) {
			test("a log-in is a new session with the data of the old one, a log-out final", async () => {
				const ada = visitor(await serve());
				await ada.get("/set");
				const planted = ada.token;
				assert.deepEqual((await ada.post("/login")).json(), {user: "ada", data: {n: 1}});
				assert.notEqual(ada.token, planted);
				assert.equal((await service.open(planted)).end_reason, "replaced");
				const {token} = ada;
				await ada.post("/logout");

				assert.equal(ada.token, null);
				assert.equal((await service.open(token)).end_reason, "logout");
			});
		}

		if (name.startsWith("Fastify")) {
			test("what is written past Fastify, too, waits for the commit", async () => {
				const ada = visitor(await serve());
				assert.equal((await ada.get("/raw")).body, LONG);

				assert.deepEqual((await service.open(ada.token)).session.data, {n: 1});
			});
		}

		if (/^(?:Hono|h3, by handle)/.test(name)) {
			test("a redirect, whose headers cannot be changed, tells of the session", async () => {
				const ada = visitor(await serve());
				const answer = await ada.get("/redirect");

				assert.equal(answer.status, 303);
				assert.deepEqual((await service.open(ada.token)).session.data, {n: 1});
			});
		}
	});
}

describe("Fastify's plugin", () => {
	test("goes with inject, with hooks of others, and with a proxy's word for the visitor's address", async () => {
		const app = Fastify({trustProxy: true});
		app.addHook("onRequest", async (request, reply) => void reply.header("access-control-allow-origin", "https://app.example"));
		await app.register(sojournFastify, options());
		app.get("/", (request) => request.session.increment("n"));
		app.post("/", () => "never");
		const headers = {"x-forwarded-for": "192.0.2.7"};
		const answer = await app.inject({url: "/", headers});
		assert.equal(answer.body, "1");
		const [, token] = /^__Host-session=([^;]+)/.exec(answer.headers["set-cookie"]);
		const again = await app.inject({url: "/", headers: {cookie: `__Host-session=${token}`}});
		assert.equal(again.body, "2");
		assert.equal(JSON.parse(relay.bodies[0]).client.ip, "192.0.2.7");

		const refused = await app.inject({method: "POST", url: "/", headers: {"sec-fetch-site": "cross-site"}});
		assert.deepEqual([refused.statusCode, refused.json().type], [403, "urn:sojourn:problem:cross-origin"]);
		assert.equal(refused.headers["access-control-allow-origin"], "https://app.example");
		await app.close();
	});

	test("refuses to stand beside another session plugin", async () => {
		const app = Fastify();
		app.decorateRequest("session", null);
		await assert.rejects(async () => app.register(sojournFastify, options()), {code: "configuration"});
	});
});

describe("open and commit", () => {
	const ask = (path, init) => new Request(`http://127.0.0.1${path}`, init);

	test("keep the visitor's address, and count no poll as activity", async () => {
		const {open, commit} = sessions(options({passive: (request) => new URL(request.url).pathname === "/poll"}));
		const session = await open(ask("/", {headers: {"user-agent": "Test"}}), {ip: "192.0.2.7"});
		session.n = 1;
		await commit(session, new Response("ok"));
		assert.deepEqual(JSON.parse(relay.bodies[0]).client, {ip: "192.0.2.7", user_agent: "Test"});
		const poll = await open(ask("/poll"));
		poll.n = 1;
		await commit(poll, new Response("ok"));

		assert.equal(JSON.parse(relay.bodies[1]).passive, true);
	});

	test("regenerate and destroy leave the same object, and nothing in it", async () => {
		const {open, commit} = sessions(options());
		for (const how of ["regenerate", "destroy"]) {
			const {token} = (await service.commit({changes: {cart: {value: ["tea"]}}})).body;
			const session = await open(ask("/", {headers: {cookie: `__Host-session=${token}`}}));
			await session[how]();
			assert.deepEqual({...session}, {});
			session.n = 1;
			const answer = await commit(session, new Response("ok"));
			const told = /^__Host-session=(sj1-[^;]+)/.exec(answer.headers.getSetCookie()[0])[1];
			assert.deepEqual((await service.open(told)).session.data, {n: 1});
		}
	});

	test("a session that cannot be kept, and one from elsewhere, are mistakes that the framework is told of", async () => {
		const {open, commit, handle} = sessions(options());
		const session = await open(ask("/"));
		session.bad = new Map();
		await assert.rejects(commit(session, new Response("ok")), {code: "invalid-data"});
		await assert.rejects(commit({}, new Response("ok")), TypeError);
		await assert.rejects(handle(ask("/"), () => Promise.reject(new Error("mine"))), {message: "mine"});
		assert.throws(() => refusal(new Error("mine")), {message: "mine"});
	});

	test("a problem takes the place of a stream, which is told that nobody reads it", async () => {
		const {open, commit} = sessions(options());
		const {token, session: opened} = (await service.commit({action: {type: "login", user_id: "ada"}})).body;
		const session = await open(ask("/", {headers: {cookie: `__Host-session=${token}`}}));
		session.late = 1;
		await service.revoke(opened.id);
		let cancelled = false;
		const body = new ReadableStream({pull: (to) => to.enqueue(new Uint8Array(9)), cancel: () => void (cancelled = true)});
		const answer = await commit(session, new Response(body));

		assert.deepEqual([answer.status, cancelled], [401, true]);
	});

	test("Cache-Control that says no-store itself stays as it is; any other gives way to it", async () => {
		const {handle} = sessions(options());
		for (const [said, told] of [["private, no-store", "private, no-store"], ["private, max-age=0", "no-store"]]) {
			const answer = await handle(ask("/"), (session) => {
				session.n = 1;
				return new Response("ok", {headers: {"Cache-Control": said}});
			});
			assert.equal(answer.headers.get("cache-control"), told);
		}
	});

	test("what is streamed can save into the session that there is, and begin none", async () => {
		const {open, commit} = sessions(options());
		const session = await open(ask("/"));
		await commit(session, new Response("ok"));
		session.late = 1;
		await assert.rejects(session.save(), {code: "session-committed"});
	});
});
