// express-session itself, over SojournStore.
import assert from "node:assert/strict";
import {after, before, beforeEach, describe, test} from "node:test";
import expressSession from "express-session";
import {SojournStore} from "sojourn-express/store";
import {FOREIGN, startRelay, startService, until} from "./service.js";
import {closeAll, listen, problem, VERSIONS, visitor} from "./visitor.js";

let service;
let relay;
before(async () => {
	service = await startService();
	relay = await startRelay(service);
});
after(async () => {
	closeAll();
	relay.stop();
	await service.stop();
});
beforeEach(() => relay.clear());

for (const [version, express] of VERSIONS) {
	const serve = async (handler, {settings, ...more} = {}) => {
		const store = new SojournStore({service: relay.url, key: service.key, timeout: 10_000, ...more});
		const app = express();
		app.use(store.session({resave: false, saveUninitialized: false, ...settings}));
		app.use((req, res, next) => handler(req, res, next, store));
		return listen(app);
	};
	const data = ({cookie, ...rest}) => rest;

	describe(`${version}: express-session`, () => {
		test("a visitor who changes nothing costs nothing; a change begins a session; others share it", async () => {
			const url = await serve((req, res) => {
				if (req.path === "/add") (req.session.cart ??= []).push("tea");
				assert.equal(req.headers.cookie?.includes("sojourn.sid"), req.headers.cookie && false);
				res.json(data(req.session));
			});
			const ada = visitor(url);
			await ada.get("/");
			assert.deepEqual([relay.calls, ada.told], [[], []]);
			const added = await ada.get("/add");
			assert.equal(added.headers.get("cache-control"), "no-store");
			await ada.get("/add");

			assert.equal(ada.told.length, 1);
			assert.match(ada.told[0], /^__Host-session=sj1-/);
			assert.deepEqual((await ada.get("/")).json(), {cart: ["tea", "tea"]});
			assert.deepEqual((await service.open(ada.token)).session.data, {cart: ["tea", "tea"]});
		});

		test("50 parallel writes keep 50", async () => {
			const url = await serve((req, res) => {
				req.session[req.path.slice(1)] = 1;
				res.end();
			});
			const ada = visitor(url);
			await ada.get("/first");
			await Promise.all(Array.from({length: 50}, (_, index) => ada.get(`/k${index}`)));

			assert.equal(Object.keys((await service.open(ada.token)).session.data).length, 51);
		});

		test("only reading sends no commit, and a resave none either", async () => {
			const url = await serve((req, res) => res.json(data(req.session)), {settings: {resave: true, rolling: true}});
			const {token} = (await service.commit({changes: {a: {value: {b: 1}}}})).body;
			const ada = visitor(url, token);

			assert.deepEqual((await ada.get("/")).json(), {a: {b: 1}});
			assert.deepEqual(relay.calls, ["/v1/open"]);
			assert.deepEqual(ada.told, []);
			assert.equal((await ada.get("/")).headers.get("vary"), "Cookie");
		});

		test("the id is the session's public one, and the same in every request", async () => {
			const {token, session} = (await service.commit({action: {type: "login", user_id: "ada"}})).body;
			const url = await serve((req, res, next, store) => res.json([req.sessionID, req.session.id, store.userId(req)]));

			assert.deepEqual((await visitor(url, token).get("/")).json(), [session.id, session.id, "ada"]);
			assert.deepEqual((await visitor(url, token).get("/")).json(), [session.id, session.id, "ada"]);
		});

		test("destroy is final: a slow request, and a session kept from before it, cannot save", async () => {
			let go;
			const url = await serve(async (req, res) => {
				if (req.path === "/set") req.session.a = 1;
				if (req.path === "/slow") {
					await new Promise((resolve) => (go = resolve));
					req.session.late = 1;
				}
				if (req.path === "/destroy") {
					const {session} = req;
					return session.destroy(() => session.save((error) => res.json([error.code, typeof req.session])));
				}
				res.json(data(req.session));
			});
			const ada = visitor(url);
			await ada.get("/set");
			const {token} = ada;
			const slow = visitor(url, token).get("/slow");
			await until(() => go);
			const destroyed = await ada.get("/destroy");
			assert.deepEqual(destroyed.json(), ["session-ended", "undefined"]);
			assert.equal(ada.token, null);
			go();

			assert.deepEqual(problem(await slow), {status: 401, code: "session-ended", endReason: "logout"});
			assert.equal((await service.open(token)).end_reason, "logout");
			const late = visitor(url, token);
			assert.deepEqual((await late.get("/")).json(), {});
			await late.get("/set");
			assert.notEqual(late.token, token);
		});

		test("regenerate: a new id and token, nothing of the old; a planted token opens nothing", async () => {
			const url = await serve((req, res, next) => {
				if (req.path !== "/login") {
					req.session.cart = ["tea"];
					return res.json(req.sessionID);
				}
				req.session.regenerate((error) => {
					if (error) return next(error);
					req.session.user = "ada";
					req.session.save((error) => (error ? next(error) : res.json(data(req.session))));
				});
			});
			const ada = visitor(url);
			await ada.get("/");
			const planted = ada.token;
			assert.deepEqual((await ada.get("/login")).json(), {user: "ada"});

			assert.notEqual(ada.token, planted);
			assert.equal((await service.open(planted)).end_reason, "logout");
			assert.deepEqual((await service.open(ada.token)).session.data, {user: "ada"});
		});

		test("reload and save in the middle of a request", async () => {
			const url = await serve(async (req, res) => {
				req.session.a = 1;
				await new Promise((done) => req.session.save(done));
				await service.commit({token: req.get("x-token"), changes: {theirs: {value: 2}}});
				req.session.forgotten = true;
				await new Promise((done) => req.session.reload(done));
				req.session.b = 3;
				res.json(data(req.session));
			});
			const {token} = (await service.commit({action: {type: "start"}})).body;
			const answer = await visitor(url, token).get("/", {headers: {"x-token": token}});

			assert.deepEqual(answer.json(), {a: 1, theirs: 2, b: 3});
			assert.deepEqual((await service.open(token)).session.data, {a: 1, theirs: 2, b: 3});
		});

		test("the service away: 503 at the open, at the end, and for a save that is waited for", async (t) => {
			t.mock.method(process, "emitWarning", () => {});
			const url = await serve((req, res, next) => {
				req.session.a = (req.session.a ?? 0) + 1;
				if (req.path !== "/save") return res.send("x".repeat(1000));
				req.session.save((error) => (error ? res.status(error.status).send("not saved") : res.send("saved")));
			});
			const ada = visitor(url);
			await ada.get("/");
			relay.mode = "reset";
			assert.deepEqual(problem(await ada.get("/")), {status: 503, code: "store-unavailable"});
			relay.mode = "reset commits";
			assert.deepEqual(problem(await ada.get("/")), {status: 503, code: "store-unavailable"});
			const answer = await ada.get("/save");
			assert.deepEqual([answer.status, answer.body], [503, "not saved"]);
			relay.mode = "pass";
			assert.equal((await ada.get("/")).status, 200);
			assert.deepEqual((await service.open(ada.token)).session.data, {a: 2});
		});

		test("what cannot be kept is an error, and the answer says so", async (t) => {
			const warned = [];
			t.mock.method(process, "emitWarning", (warning) => warned.push(warning));
			const url = await serve((req, res) => {
				req.session.bad = {n: NaN};
				res.send("never");
			});

			assert.deepEqual(problem(await visitor(url).get("/")), {status: 500, code: "session-not-kept"});
			assert.match(warned[0].message, /holds NaN/);
		});

		test("keys that bear express-session's own names stay as they are, unseen", async () => {
			const {token} = (await service.commit({changes: {cookie: {value: "x"}, touch: {value: 1}, n: {value: 1}}})).body;
			const url = await serve((req, res) => {
				req.session.n++;
				res.json([data(req.session), typeof req.session.touch, typeof req.session.cookie.maxAge]);
			});

			assert.deepEqual((await visitor(url, token).get("/")).json(), [{n: 2}, "function", "number"]);
			assert.deepEqual((await service.open(token)).session.data, {cookie: "x", touch: 1, n: 2});
		});

		test("foreign and malformed tokens, and a cookie of express-session's own, open nothing", async () => {
			const url = await serve((req, res) => res.json([data(req.session), req.headers.cookie]));
			for (const token of [FOREIGN, "sj1-x"]) assert.deepEqual((await visitor(url, token).get("/")).json()[0], {});
			const cookie = "sojourn.sid=s%3A123.abc; connect.sid=s%3A123.abc";
			assert.deepEqual((await visitor(url).get("/", {headers: {cookie}})).json(), [{}, cookie]);
		});

		test("cross-site requests are refused, and a passive one keeps nothing alive", async () => {
			const url = await serve((req, res) => res.send("ok"), {passive: (req) => req.path === "/poll"});

			assert.deepEqual(problem(await visitor(url).post("/", {headers: {origin: "https://evil.example"}})), {status: 403, code: "cross-origin"});
		});

		test("a session that begins after regenerate is kept, however the answer is sent", async () => {
			const answers = {
				"/end": (res) => res.end("ok"),
				"/write": (res) => (res.write("o"), res.end("k")),
				"/writeHead": (res) => res.writeHead(200, {"X-Mine": "1"}).end("ok"),
				"/flush": (res) => (res.flushHeaders(), res.end("ok")),
				"/redirect": (res) => res.redirect("/elsewhere"),
			};
			const url = await serve((req, res, next) => {
				if (req.method === "GET") return res.json(data(req.session));
				req.session.regenerate((error) => {
					req.session.user = "ada";
					return error ? next(error) : answers[req.path](res);
				});
			});
			for (const path of Object.keys(answers)) {
				const {token} = (await service.commit({changes: {cart: {value: ["tea"]}}})).body;
				const ada = visitor(url, token);
				await ada.post(path);

				assert.notEqual(ada.token, token, path);
				assert.deepEqual((await ada.get("/")).json(), {user: "ada"}, path);
				assert.equal((await service.open(token)).status, "ended");
			}
		});

		test("one write to the service, whether express-session saves at the end or was told to before", async () => {
			const url = await serve((req, res) => {
				req.session.n = 1;
				if (req.path === "/save") return req.session.save(() => (res.write("a"), res.end("b")));
				if (req.path === "/write") res.write("a");
				res.end("b");
			});
			for (const path of ["/", "/write", "/save"]) {
				relay.clear();
				const ada = visitor(url);
				await ada.get(path);
				assert.deepEqual(relay.calls, ["/v1/commit"], path);
				assert.equal(ada.told.length, 1);
			}
		});

		test("with saveUninitialized a visitor gets a session, however the answer is sent, and one", async () => {
			const url = await serve((req, res) => (req.path === "/write" ? (res.write("a"), res.end()) : res.end("a")), {settings: {saveUninitialized: true}});
			for (const path of ["/", "/write"]) {
				relay.clear();
				const ada = visitor(url);
				await ada.get(path);
				assert.deepEqual(relay.calls, ["/v1/commit"]);
				assert.equal((await service.open(ada.token)).status, "active");
			}
		});

		test("an answer of 500 or more keeps no change, but what was saved", async () => {
			const url = await serve((req, res, next) => {
				req.session.n = 1;
				if (req.path === "/save") return req.session.save(() => res.status(503).end());
				if (req.path === "/throw") return next(new Error("mine"));
				if (req.path === "/writeHead") return res.writeHead(500).end("no");
				res.status(req.path === "/400" ? 400 : 500).send("no");
			});
			for (const [path, kept] of [["/", null], ["/throw", null], ["/writeHead", null], ["/400", {n: 1}], ["/save", {n: 1}]]) {
				const ada = visitor(url);
				await ada.get(path);
				assert.deepEqual(ada.token && (await service.open(ada.token)).session.data, kept, path);
			}
		});

		test("req.session = null, and an id that is none, leave the session as it was, however the answer is sent", async () => {
			const url = await serve((req, res) => {
				if (req.path === "/null") req.session = null;
				else req.session.n = 2;
				if (req.path === "/id") req.sessionID = null;
				if (req.query.write) res.write("a");
				res.end("b");
			});
			for (const path of ["/null", "/null?write=1", "/id", "/id?write=1"]) {
				const {token} = (await service.commit({changes: {n: {value: 1}}})).body;
				assert.equal((await visitor(url, token).get(path)).status, 200, path);
				assert.deepEqual((await service.open(token)).session.data, {n: 1}, path);
				assert.equal((await visitor(url).get(path)).headers.getSetCookie().length, 0);
			}
		});

		test("given to session() as an ordinary store it is refused, and how to mount it is told", () => {
			const store = new SojournStore({service: service.url, key: service.key});
			const mount = () => expressSession({store, secret: "x", resave: false, saveUninitialized: false});

			assert.throws(mount, {code: "configuration", message: /app\.use\(store\.session/});
			store.session({resave: false, saveUninitialized: false});
			assert.throws(mount, {code: "configuration"});
		});

		test("outside of a request the store opens nothing, and says so", () => {
			const store = new SojournStore({service: service.url, key: service.key});
			store.get("id", (error) => assert.equal(error.code, "configuration"));
			store.destroy("id", (error) => assert.equal(error.code, "configuration"));
			store.set("id", {}, (error) => assert.equal(error.code, "session-ended"));
			for (const name of ["secret", "cookie", "name", "genid", "unset", "store"]) {
				assert.throws(() => store.session({[name]: "x"}), {code: "configuration"});
			}
		});
	});
}
