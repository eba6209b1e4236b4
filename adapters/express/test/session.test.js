import assert from "node:assert/strict";
import {after, before, describe, test} from "node:test";
import {inspect} from "node:util";
import nocache from "nocache";
import {sojourn} from "sojourn-express";
import {FOREIGN, startRelay, startService} from "./service.js";
import {closeAll, listen, problem, VERSIONS, visitor} from "./visitor.js";

let service;
let relay;
before(async () => {
	service = await startService({config: "[policy]\nmax_bytes = 4096\n"});
	relay = await startRelay(service);
});
after(async () => {
	closeAll();
	relay.stop();
	await service.stop();
});

/** What a handler says, and what is answered with a new token. */
const CACHE_CONTROL = {
	"private, No-Store": "private, No-Store",
	"private, max-age=0": "no-store",
	"public, x-no-store": "no-store",
};
const options = (more) => ({service: relay.url, key: service.key, timeout: 20_000, ...more});

for (const [version, express] of VERSIONS) {
	/** One handler, at every path. */
	const serve = async (handler, more) => {
		const app = express();
		app.use(sojourn(options(more)));
		app.use(handler);
		return listen(app);
	};
	const login = (req, res) => req.session.login("ada").then(() => res.send(req.session.id));

	describe(`${version}: the session`, () => {
		test("a visitor who changes nothing costs the service nothing and gets no cookie", async () => {
			const url = await serve((req, res) => res.json({keys: Object.keys(req.session), user: req.session.userId}));
			const ada = visitor(url);
			relay.clear();
			const answer = await ada.get("/");

			assert.deepEqual(answer.json(), {keys: [], user: null});
			assert.deepEqual(relay.calls, []);
			assert.deepEqual(ada.told, []);
			assert.equal(answer.headers.get("vary"), "Cookie");
		});

		test("a handler that does not look at the session says so to caches", async () => {
			const answer = await visitor(await serve((req, res) => res.send("hello"))).get("/");

			assert.equal(answer.headers.get("vary"), null);
		});

		test("the first change begins a session, and the answer that tells so is not cached", async () => {
			const url = await serve((req, res) => {
				req.session.cart ??= [];
				req.session.cart.push(req.path);
				res.set({"Cache-Control": "public, max-age=60", Vary: "Accept"}).json(req.session);
			});
			const ada = visitor(url);
			const first = await ada.get("/tea");

			assert.deepEqual(first.json(), {cart: ["/tea"]});
			assert.match(ada.told[0], /^__Host-session=sj1-[0-9a-f-]+; Path=\/; Secure; HttpOnly; SameSite=Lax$/);
			assert.equal(first.headers.get("cache-control"), "no-store");
			assert.equal(first.headers.get("vary"), "Accept, Cookie");
			assert.deepEqual((await ada.get("/cup")).json(), {cart: ["/tea", "/cup"]});
			assert.equal(ada.told.length, 1);
		});

		test("Cache-Control that says no-store itself stays as it is, whoever says it", async () => {
			const app = express();
			app.use(sojourn(options()), nocache());
			app.use((req, res) => {
				req.session.n = 1;
				res.send("ok");
			});
			const answer = await visitor(await listen(app)).get("/");
			assert.equal(answer.headers.get("cache-control"), "no-store, no-cache, must-revalidate, proxy-revalidate");

			for (const [said, told] of Object.entries(CACHE_CONTROL)) {
				const url = await serve((req, res) => {
					req.session.n = 1;
					res.set("Cache-Control", said).send("ok");
				});
				assert.equal((await visitor(url).get("/")).headers.get("cache-control"), told);
			}
		});

		test("nested changes are saved, and only the keys that changed are sent", async () => {
			const url = await serve((req, res) => {
				if (req.path === "/fill") Object.assign(req.session, {address: {city: {name: "London"}}, theme: "dark", old: 1});
				if (req.path === "/change") {
					req.session.address.city.name = "Paris";
					delete req.session.old;
					req.session.theme = undefined;
				}
				res.json(req.session);
			});
			const ada = visitor(url);
			await ada.get("/fill");
			relay.clear();
			await ada.get("/change");

			assert.deepEqual(relay.calls, ["/v1/open", "/v1/commit"]);
			assert.deepEqual(JSON.parse(relay.bodies[1]).changes, {
				address: {base: {city: {name: "London"}}, value: {city: {name: "Paris"}}},
				theme: {base: "dark"},
				old: {base: 1},
			});
			assert.deepEqual((await ada.get("/")).json(), {address: {city: {name: "Paris"}}});
		});

		test("a request that changed nothing, or changed it back, sends no commit", async () => {
			const url = await serve((req, res) => {
				if (req.path === "/fill") Object.assign(req.session, {list: [1, {two: 2}], count: 1});
				if (req.path === "/back") {
					req.session.list.push(3);
					req.session.list.pop();
					req.session.list = structuredClone(req.session.list);
					req.session.increment("count", 2);
					req.session.increment("count", -2);
				}
				res.json(req.session);
			});
			const ada = visitor(url);
			await ada.get("/fill");
			relay.clear();
			await ada.get("/");
			await ada.get("/back");

			assert.deepEqual(relay.calls, ["/v1/open", "/v1/open"]);
		});

		test("50 parallel writes of different keys keep 50, increments add up, lists grow", async () => {
			const url = await serve((req, res) => {
				const [, what, key] = req.path.split("/");
				if (what === "fill") Object.assign(req.session, {list: [], visits: 1});
				if (what === "set") req.session[key] = {nested: key};
				if (what === "add") req.session.increment("visits");
				if (what === "append") req.session.list.push(key);
				res.json(req.session);
			});
			const ada = visitor(url);
			await ada.get("/fill");
			const paths = Array.from({length: 50}, (_, index) => [`/set/k${index}`, "/add", `/append/${index}`]).flat();
			const answers = await Promise.all(paths.map((path) => ada.get(path)));
			const {list, visits, ...keys} = (await ada.get("/")).json();

			assert.ok(answers.every(({status}) => status === 200));
			assert.equal(Object.keys(keys).length, 50);
			assert.deepEqual(keys.k49, {nested: "k49"});
			assert.equal(visits, 51);
			assert.deepEqual(list.map(Number).sort((a, b) => a - b), Array.from({length: 50}, (_, index) => index));
		});

		test("increment returns the sum as this request sees it, and refuses what is no integer", async () => {
			const url = await serve((req, res) => {
				const sums = [req.session.increment("visits"), req.session.increment("visits", 4)];
				req.session.name = "Ada";
				assert.throws(() => req.session.increment("name"), {code: "invalid-data"});
				assert.throws(() => req.session.increment("visits", 0.5), {code: "invalid-data"});
				assert.throws(() => req.session.increment("save"), {code: "configuration"});
				res.json(sums);
			});
			const ada = visitor(url);

			assert.deepEqual((await ada.get("/")).json(), [1, 5]);
			assert.deepEqual((await ada.get("/")).json(), [6, 10]);
		});

		test("two tabs that change one value: the later wins, what both appended stays", async () => {
			const gate = Promise.withResolvers?.() ?? {};
			gate.promise ??= new Promise((resolve) => (gate.resolve = resolve));
			let waiting = 0;
			const url = await serve(async (req, res) => {
				const {tab} = req.query;
				if (tab) {
					Object.assign(req.session, {name: tab});
					req.session.list.push(tab);
					if (++waiting === 2) gate.resolve();
					await gate.promise;
				} else req.session.list ??= [];
				res.json(req.session);
			});
			const ada = visitor(url);
			await ada.get("/");
			await Promise.all([ada.get("/?tab=one"), ada.get("/?tab=two")]);
			const {list, name} = (await ada.get("/")).json();

			assert.deepEqual(list.sort(), ["one", "two"]);
			assert.ok(["one", "two"].includes(name));
		});

		test("a log-in makes a new id and token and carries the data over; a planted token is worth nothing", async () => {
			const url = await serve((req, res) => {
				if (req.path === "/login") return login(req, res);
				req.session.cart ??= ["tea"];
				res.json({id: req.session.id, user: req.session.userId, cart: req.session.cart, reason: req.session.endReason, sessionID: req.sessionID});
			});
			const ada = visitor(url);
			await ada.get("/");
			const planted = ada.token;
			const before = (await ada.get("/")).json();
			const id = (await ada.post("/login")).body;
			const after = (await ada.get("/")).json();

			assert.notEqual(ada.token, planted);
			assert.deepEqual(after, {id, user: "ada", cart: ["tea"], reason: null, sessionID: id});
			assert.notEqual(id, before.id);
			const thief = (await visitor(url, planted).get("/")).json();
			assert.deepEqual([thief.user, thief.reason], [null, "replaced"]);
		});

		test("what is set after a log-in that nobody waited for is kept too", async () => {
			const url = await serve((req, res) => {
				if (req.path === "/login") {
					req.session.before = 1;
					req.session.login("ada");
					req.session.after = 2;
				}
				res.json([req.session.userId, {...req.session}]);
			});
			const ada = visitor(url);
			await ada.post("/login");

			assert.deepEqual((await ada.get("/")).json(), ["ada", {before: 1, after: 2}]);
		});

		test("a log-in of somebody else carries nothing over", async () => {
			const url = await serve(async (req, res) => {
				if (req.query.user) {
					req.session.mine = req.query.user;
					await req.session.login(req.query.user, {remember: req.query.user === "bob"});
				}
				res.json({...req.session, user: req.session.userId, maxAge: req.session.cookie.maxAge});
			});
			const ada = visitor(url);
			await ada.post("/?user=ada");
			const bob = (await ada.post("/?user=bob")).json();

			assert.equal(bob.user, "bob");
			assert.equal(bob.mine, undefined);
			assert.match(ada.told.at(-1), /; Max-Age=25(?:91999|92000); /);
			assert.ok(bob.maxAge > 13 * 86_400_000);
		});

		test("a double log-in takes the data along", async () => {
			let waiting = 0;
			let go;
			const both = new Promise((resolve) => (go = resolve));
			const url = await serve(async (req, res) => {
				if (req.path === "/login") {
					if (++waiting === 2) go();
					await both;
					await req.session.login("ada");
				} else req.session.cart ??= ["tea"];
				res.json([req.session.userId, req.session.cart]);
			});
			const ada = visitor(url);
			await ada.get("/");
			const answers = await Promise.all([visitor(url, ada.token).post("/login"), visitor(url, ada.token).post("/login")]);

			assert.deepEqual(answers.map((answer) => answer.json()), [["ada", ["tea"]], ["ada", ["tea"]]]);
		});

		test("a logout clears the cookie, ends the session, and is final for a slow request", async () => {
			let go;
			const url = await serve(async (req, res) => {
				if (req.path === "/login") return login(req, res);
				if (req.path === "/logout") {
					await req.session.logout();
					return res.json([req.session.userId, req.session.endReason, Object.keys(req.session)]);
				}
				if (req.path === "/slow") {
					await new Promise((resolve) => (go = resolve));
					req.session.late = true;
					res.set("X-Mine", "1").cookie("mine", "1");
				}
				res.json([req.session.userId, req.session.endReason]);
			});
			const ada = visitor(url);
			await ada.post("/login");
			const {token} = ada;
			const slow = visitor(url, token);
			const late = slow.get("/slow");
			while (!go) await new Promise(setImmediate);
			const out = await ada.post("/logout");
			go();
			const refused = await late;

			assert.deepEqual(out.json(), [null, "logout", []]);
			assert.equal(ada.token, null);
			assert.match(ada.told.at(-1), /^__Host-session=; Max-Age=0; /);
			assert.deepEqual(problem(refused), {status: 401, code: "session-ended", endReason: "logout"});
			assert.equal(refused.headers.get("x-mine"), "1");
			assert.deepEqual([refused.headers.getSetCookie(), slow.token], [[], token]);
			assert.deepEqual((await slow.get("/")).json(), [null, "logout"]);
			assert.deepEqual([slow.told], [[]]);
		});

		test("a slow request that only read gets its answer after a logout", async () => {
			let go;
			const url = await serve(async (req, res) => {
				if (req.path === "/login") return login(req, res);
				if (req.path === "/logout") return req.session.logout(() => res.end());
				await new Promise((resolve) => (go = resolve));
				res.send(req.session.userId);
			});
			const ada = visitor(url);
			await ada.post("/login");
			const late = visitor(url, ada.token).get("/slow");
			while (!go) await new Promise(setImmediate);
			await ada.post("/logout");
			go();

			assert.equal((await late).body, "ada");
		});

		test("what is set after a logout begins a new session", async () => {
			const url = await serve(async (req, res) => {
				if (req.path === "/login") return login(req, res);
				if (req.path === "/logout") {
					req.session.logout();
					req.session.notice = "See you soon.";
				}
				res.json([req.session.userId, {...req.session}]);
			});
			const ada = visitor(url);
			await ada.post("/login");
			const {token} = ada;
			await ada.post("/logout");

			assert.notEqual(ada.token, token);
			assert.deepEqual((await ada.get("/")).json(), [null, {notice: "See you soon."}]);
		});

		test("regenerate gives a new, empty session, as express-session does; keepData keeps all but the id", async () => {
			const url = await serve((req, res, next) => {
				const done = (error) => (error ? next(error) : res.json([req.session.id, req.session.userId, {...req.session}]));
				if (req.path === "/login") return login(req, res);
				if (req.path === "/keep") return req.session.regenerate({keepData: true}, done);
				if (req.path === "/new") {
					req.session.mine = "gone";
					return req.session.regenerate((error) => {
						req.session.fresh = true;
						req.session.save(done);
						assert.equal(error, undefined);
					});
				}
				req.session.cart = ["tea"];
				done();
			});
			const ada = visitor(url);
			await ada.get("/");
			await ada.post("/login");
			const [token, [id]] = [ada.token, (await ada.get("/")).json()];
			const kept = (await ada.post("/keep")).json();

			assert.deepEqual(kept.slice(1), ["ada", {cart: ["tea"]}]);
			assert.notEqual(kept[0], id);
			assert.notEqual(ada.token, token);
			const fresh = (await ada.post("/new")).json();
			assert.deepEqual(fresh.slice(1), [null, {fresh: true}]);
			assert.ok(![id, kept[0], null].includes(fresh[0]));
			assert.equal((await service.open(token)).end_reason, "replaced");
		});

		test("an answer of 500 or more keeps no change, but what the handler has waited for", async (t) => {
			t.mock.method(console, "error", () => {});
			const url = await serve(async (req, res, next) => {
				req.session.n = 1;
				if (req.path === "/login") await req.session.login("ada");
				if (req.path === "/save") await req.session.save();
				req.session.late = 1;
				if (req.path === "/throw") return next(new Error("mine"));
				if (req.path === "/writeHead") return res.writeHead(500).end("no");
				res.status({"/400": 400, "/redirect": 302}[req.path] ?? 503).send("no");
			});
			const cases = {"/": null, "/throw": null, "/writeHead": null, "/400": {n: 1, late: 1}, "/redirect": {n: 1, late: 1}, "/save": {n: 1}, "/login": {n: 1}};
			for (const [path, kept] of Object.entries(cases)) {
				const ada = visitor(url);
				await ada.get(path);
				assert.deepEqual(ada.token && (await service.open(ada.token)).session.data, kept, path);
			}
		});

		test("after regenerate and destroy, the object from before shows what was in it, and is no session any more", async (t) => {
			const warned = [];
			t.mock.method(process, "emitWarning", (warning) => warned.push(String(warning)));
			const url = await serve(async (req, res) => {
				const before = req.session;
				before.cart = ["tea"];
				await before.login("ada");
				const {id} = before;
				if (req.path === "/destroy") await before.destroy();
				else await before.regenerate();
				const met = [before.id === id, before.userId, {...before}, {...req.session}, req.session === before, req.session?.userId];
				assert.throws(() => before.save(), {code: "configuration", message: /use req\.session/});
				if (req.path === "/change") before.cart.push("milk");
				res.json(met);
			});

			assert.deepEqual((await visitor(url).get("/")).json(), [true, "ada", {cart: ["tea"]}, {}, false, null]);
			assert.deepEqual((await visitor(url).get("/destroy")).json(), [true, "ada", {cart: ["tea"]}, {}, false, null]);
			assert.deepEqual(warned, []);
			await visitor(url).get("/change");
			assert.match(warned[0], /Take req\.session anew/);
		});

		test("what JSON cannot keep hinders neither regenerate nor destroy", async () => {
			const url = await serve(async (req, res) => {
				req.session.bad = {n: 1n};
				await req.session[req.path.slice(1)]();
				res.json(Object.keys(req.session ?? {}));
			});
			for (const path of ["/regenerate", "/destroy"]) {
				const {token} = (await service.commit({changes: {a: {value: 1}}})).body;
				assert.deepEqual((await visitor(url, token).post(path)).json(), []);
				assert.equal((await service.open(token)).status, "ended");
			}
		});

		test("destroy leaves req.session undefined, and the session ends though nobody waited", async () => {
			const url = await serve((req, res) => {
				if (req.path === "/login") return login(req, res);
				const {session} = req;
				if (req.path === "/destroy") {
					session.destroy();
					session.late = 1;
				}
				res.json(typeof req.session);
			});
			const ada = visitor(url);
			await ada.post("/login");
			const {token} = ada;

			assert.equal((await ada.post("/destroy")).json(), "undefined");
			assert.equal(ada.token, null);
			assert.equal((await service.open(token)).end_reason, "logout");
		});

		test("reload forgets this request's changes and shows others'", async () => {
			const url = await serve(async (req, res) => {
				if (req.path === "/reload") {
					const {session} = req;
					session.name = "mine";
					session.extra = true;
					await service.commit({token: req.get("x-token"), changes: {name: {value: "theirs"}}});
					await session.reload();
					assert.equal(req.session, session);
				} else req.session.name ??= "first";
				res.json(req.session);
			});
			const ada = visitor(url);
			await ada.get("/");
			const answer = await ada.get("/reload", {headers: {"x-token": ada.token}});

			assert.deepEqual(answer.json(), {name: "theirs"});
			assert.deepEqual((await ada.get("/")).json(), {name: "theirs"});
		});

		test("reload of a session that ended says why", async () => {
			const url = await serve((req, res) => {
				if (req.path === "/login") return login(req, res);
				service.revoke(req.session.id).then(() =>
					req.session.reload((error) => res.json([error.code, error.endReason, req.session.userId, req.session.endReason])),
				);
			});
			const ada = visitor(url);
			await ada.post("/login");

			assert.deepEqual((await ada.get("/")).json(), ["session-ended", "revoked", null, "revoked"]);
		});

		test("save, then more changes: both are kept, and the id is known after the first", async () => {
			const url = await serve(async (req, res) => {
				if (req.path === "/save") {
					const {session} = req;
					session.steps = ["one"];
					session.increment("count");
					await session.save();
					assert.match(session.id, /^[0-9a-f]{32}$/);
					session.steps.push("two");
					session.increment("count");
					await new Promise((resolve, reject) => session.save((error) => (error ? reject(error) : resolve())));
					session.steps.push("three");
					session.increment("count");
				}
				res.json(req.session);
			});
			const ada = visitor(url);
			await ada.get("/save");

			assert.equal(ada.told.length, 1);
			assert.deepEqual((await ada.get("/")).json(), {steps: ["one", "two", "three"], count: 3});
		});

		test("what is changed while a save is under way is kept", async () => {
			const url = await serve(async (req, res) => {
				if (req.path === "/save") {
					Object.assign(req.session, {list: [1], count: 0});
					await req.session.save();
					req.session.list.push(2);
					req.session.increment("count");
					const saved = req.session.save();
					req.session.list.push(3);
					req.session.increment("count", 10);
					await saved;
				}
				res.json(req.session);
			});
			const ada = visitor(url);
			await ada.get("/save");

			assert.deepEqual((await ada.get("/")).json(), {list: [1, 2, 3], count: 11});
		});

		test("save of an empty session begins one", async () => {
			const url = await serve((req, res) => req.session.save(() => res.json(req.session.id)));
			const ada = visitor(url);

			assert.match((await ada.get("/")).json(), /^[0-9a-f]{32}$/);
			assert.equal((await service.open(ada.token)).status, "active");
		});

		test("a Date is kept as the text that JSON makes of it, and is no change for ever", async () => {
			const url = await serve(async (req, res) => {
				if (req.path === "/save") {
					req.session.at = new Date(0);
					await req.session.save();
				}
				res.json(req.session);
			});
			const ada = visitor(url);
			relay.clear();
			await ada.get("/save");

			assert.deepEqual(relay.calls, ["/v1/commit"]);
			assert.deepEqual((await ada.get("/")).json(), {at: "1970-01-01T00:00:00.000Z"});
		});

		test("what JSON would change in silence is refused", async (t) => {
			const loop = {};
			loop.self = loop;
			const values = {
				map: new Map(),
				nested: {set: new Set()},
				nan: [NaN],
				infinite: Infinity,
				big: 1n,
				function: () => {},
				bytes: new Uint8Array(2),
				hole: [undefined],
				"a list with names": Object.assign([], {tea: 1}),
				loop,
			};
			const url = await serve(async (req, res) => {
				const value = values[req.query.value];
				if (req.path === "/save") {
					req.session.bad = value;
					const error = await req.session.save().catch((error) => error);
					return res.json([error.code, error.message, Object.keys(req.session)]);
				}
				req.session.bad = value;
				res.send("never");
			});
			const warned = [];
			const listen = (warning) => warned.push(warning);
			process.on("warning", listen);
			t.after(() => process.off("warning", listen));
			for (const value of Object.keys(values)) {
				const [code, message, left] = (await visitor(url).get(`/save?value=${value}`)).json();
				assert.equal(code, "invalid-data", value);
				assert.match(message, /^session\["bad"\] holds .*, which JSON cannot keep\.$/);
				assert.deepEqual(left, []);
				const answer = await visitor(url).get(`/?value=${value}`);
				assert.deepEqual(problem(answer), {status: 500, code: "session-not-kept"}, value);
			}
			assert.equal(warned.length, Object.keys(values).length);
			assert.ok(warned.every(({code}) => code === "invalid-data"));
		});

		test("too much data is 413, and nothing is written", async () => {
			const url = await serve((req, res) => {
				if (req.path === "/big") req.session.big = "x".repeat(5000);
				else req.session.small = 1;
				res.json(req.session);
			});
			const ada = visitor(url);
			await ada.get("/");

			assert.deepEqual(problem(await ada.get("/big")), {status: 413, code: "data-too-large"});
			assert.deepEqual((await ada.get("/")).json(), {small: 1});
		});

		test("it looks like a plain object, and its own names cannot be overwritten from outside", async () => {
			const url = await serve((req, res) => {
				const {session} = req;
				session.cart = ["tea"];
				session.toString = "text";
				for (const name of ["id", "login", "cookie", "save", "__proto__", "userId"]) {
					assert.throws(() => (session[name] = {admin: true}), {code: "configuration"}, name);
				}
				assert.throws(() => (session.cookie.maxAge = 1), /remember/);
				for (const id of [5, "", undefined, "x".repeat(256)]) assert.throws(() => session.login(id), /needs text of 1 to 255 characters/);
				assert.throws(() => (req.session = {}), {code: "configuration"});
				assert.deepEqual(Object.keys(session), ["cart", "toString"]);
				assert.equal(inspect(session), "Session { cart: [ 'tea' ], toString: 'text' }");
				const seen = [];
				for (const key in session) seen.push(key);
				assert.deepEqual(seen, ["cart", "toString"]);
				assert.equal(session.admin, undefined);
				res.json({...session});
			});

			assert.deepEqual((await visitor(url).get("/")).json(), {cart: ["tea"], toString: "text"});
		});

		test("keys that another back end gave our own names stay as they are, unseen", async () => {
			const {token} = (await service.commit({changes: {login: {value: "x"}, ["__proto__"]: {value: {admin: true}}, n: {value: 1}}})).body;
			const url = await serve((req, res) => {
				assert.equal(req.session.admin, undefined);
				assert.equal(typeof req.session.login, "function");
				req.session.n++;
				res.json({...req.session});
			});

			assert.deepEqual((await visitor(url, token).get("/")).json(), {n: 2});
			const {data} = (await service.open(token)).session;
			assert.deepEqual(Object.entries(data).sort(), [["__proto__", {admin: true}], ["login", "x"], ["n", 2]]);
		});

		test("cookie tells when the session runs out", async () => {
			const url = await serve(async (req, res) => {
				const {cookie} = req.session;
				assert.deepEqual({...cookie}, {expires: null, maxAge: null, originalMaxAge: null});
				await req.session.save();
				res.json(req.session.cookie);
			});
			const cookie = (await visitor(url).get("/")).json();

			assert.equal(cookie.originalMaxAge, 1_800_000);
			assert.ok(cookie.maxAge > 1_790_000 && cookie.maxAge <= 1_800_000);
			assert.ok(Math.abs(new Date(cookie.expires) - Date.now() - cookie.maxAge) < 1000);
		});

		test("an unknown token is never adopted, and a malformed one is not even sent", async () => {
			const url = await serve((req, res) => {
				if (req.path === "/set") req.session.a = 1;
				res.json([req.session.userId, req.session.endReason]);
			});
			const mallory = visitor(url, FOREIGN);
			assert.deepEqual((await mallory.get("/")).json(), [null, null]);
			assert.deepEqual(mallory.told, []);
			await mallory.get("/set");
			assert.notEqual(mallory.token, FOREIGN);
			relay.clear();
			for (const text of ["sj1-1", FOREIGN + "0", FOREIGN.toUpperCase(), service.key, "%73j1-", ""]) {
				assert.deepEqual((await visitor(url, text).get("/")).json(), [null, null], text);
			}
			assert.deepEqual(relay.calls, []);
		});

		test("a visitor without a session has an id of its own, in one request the same, that opens nothing", async () => {
			const url = await serve(async (req, res) => {
				const before = [req.sessionID, req.session.id, req.sessionID];
				if (req.path === "/save") await req.session.save();
				res.json([...before, req.sessionID]);
			});
			const ids = (await visitor(url).get("/")).json();
			assert.equal(new Set(ids).size, 1);
			assert.match(ids[0], /^[0-9a-f-]{36}$/);
			assert.notEqual((await visitor(url).get("/")).json()[0], ids[0]);
			const ada = visitor(url);
			const [before, , , after] = (await ada.get("/save")).json();

			assert.notEqual(before, after);
			assert.equal(after, ada.token.slice(4, 36));
			assert.equal((await ada.get("/")).json()[0], after);
		});

		test("an ended session tells why, and what is set begins a new one", async () => {
			const url = await serve(async (req, res) => {
				if (req.path === "/login") return login(req, res);
				if (req.path === "/set") req.session.theme = "dark";
				res.json([req.session.userId, req.session.endReason]);
			});
			const ada = visitor(url);
			const id = (await ada.post("/login")).body;
			const {token} = ada;
			await service.revoke(id);

			assert.deepEqual((await ada.get("/")).json(), [null, "revoked"]);
			assert.equal(ada.token, token);
			assert.deepEqual((await ada.get("/set")).json(), [null, "revoked"]);
			assert.notEqual(ada.token, token);
			assert.equal((await service.open(ada.token)).session.data.theme, "dark");
		});

		test("another back end's session is the same one", async () => {
			const {token} = (await service.commit({changes: {cart: {value: ["from Python"]}}, action: {type: "login", user_id: "ada"}})).body;
			const url = await serve((req, res) => {
				req.session.cart.push("from Node");
				res.json(req.session.userId);
			});

			assert.equal((await visitor(url, token).get("/")).json(), "ada");
			assert.deepEqual((await service.open(token)).session.data, {cart: ["from Python", "from Node"]});
		});

		test("req.session = null leaves the session as it was", async () => {
			const url = await serve((req, res) => {
				req.session.n ??= 0;
				req.session.n++;
				if (req.path === "/null") req.session = null;
				res.json(req.session?.n ?? null);
			});
			const ada = visitor(url);
			await ada.get("/");

			assert.equal((await ada.get("/null")).json(), null);
			assert.equal((await ada.get("/")).json(), 2);
		});
	});
}
