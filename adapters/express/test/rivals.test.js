// A browser that shows several cookies of the session's name, as after its domain or path was changed.
import assert from "node:assert/strict";
import {after, before, beforeEach, describe, test} from "node:test";
import {sojourn} from "sojourn-express";
import {clearings} from "../dist/cookie.js";
import {FOREIGN, startRelay, startService, vectors} from "./service.js";
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

const login = async (user, more = {}) => (await service.commit({action: {type: "login", user_id: user}, ...more})).body.token;
const cookie = (...tokens) => ({headers: {cookie: tokens.map((token) => `__Host-session=${token}`).join("; ")}});
const cleared = (answer) => answer.headers.getSetCookie().filter((text) => text.startsWith("__Host-session=;"));

for (const [version, express] of VERSIONS) {
	const serve = async (more) => {
		const app = express();
		app.use(sojourn({service: relay.url, key: service.key, ...more}));
		app.post("/login", (req, res, next) => {
			req.session.login("ada").then(() => res.json(req.session.userId), next);
		});
		app.post("/logout", (req, res, next) => {
			req.session.logout().then(() => res.end(), next);
		});
		app.get("/set", (req, res) => {
			req.session.cart = ["tea"];
			res.json(null);
		});
		app.get("/", (req, res) => res.json([req.session.userId, req.session.endReason, {...req.session}]));
		return listen(app);
	};

	describe(`${version}: several cookies of the name`, () => {
		test("what opens nothing, and what is no token, is passed over; the only live one counts", async () => {
			const url = await serve();
			const ada = await login("ada", {changes: {a: {value: 1}}});
			const over = await login("bob");
			await service.commit({token: over, action: {type: "logout"}});
			for (const others of [[FOREIGN], [over], [FOREIGN, over], ["x"], [""], [ada], [ada.slice(0, 37) + "0".repeat(64)]]) {
				for (const shown of [[...others, ada], [ada, ...others]]) {
					const answer = await visitor(url).get("/", cookie(...shown));
					assert.deepEqual(answer.json(), ["ada", null, {a: 1}]);
					assert.deepEqual(answer.headers.getSetCookie(), []);
				}
			}
			assert.deepEqual((await visitor(url).get("/", cookie(FOREIGN, over))).json(), [null, "logout", {}]);
		});

		test("of one session's secrets the later one is shown to the service, and the earlier only if it opens nothing", async () => {
			const url = await serve();
			const ada = await login("ada");
			const wrong = ada.slice(0, 37) + "0".repeat(64);
			await visitor(url).get("/", cookie(wrong, ada));
			assert.deepEqual(relay.bodies.map((body) => JSON.parse(body).token), [ada]);
			relay.clear();
			await visitor(url).get("/", cookie(ada, wrong));

			assert.deepEqual(relay.bodies.map((body) => JSON.parse(body).token), [wrong, ada]);
		});

		test("of two live ones none counts, and the browser is told to forget them", async () => {
			const url = await serve();
			const [ada, bob] = [await login("ada"), await login("bob")];
			const answer = await visitor(url).get("/", cookie(ada, bob));

			assert.deepEqual(answer.json(), [null, null, {}]);
			assert.deepEqual(answer.headers.getSetCookie(), [
				"__Host-session=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Lax",
				"__Host-session=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=None; Partitioned",
			]);
			assert.deepEqual([answer.headers.get("cache-control"), answer.headers.get("vary")], ["no-store", "Cookie"]);
			for (const token of [ada, bob]) assert.equal((await service.open(token)).status, "active");
		});

		test("a session that begins there is told after the others are forgotten", async () => {
			const url = await serve();
			const answer = await visitor(url).get("/set", cookie(await login("ada"), await login("bob")));
			const told = answer.headers.getSetCookie();

			assert.equal(cleared(answer).length, 2);
			const token = /^__Host-session=(sj1-[^;]+)/.exec(told.at(-1))[1];
			assert.deepEqual((await service.open(token)).session.data, {cart: ["tea"]});
		});

		test("the log-in counts: whatever the browser goes on showing, it is the only live one", async () => {
			const url = await serve();
			const shown = [await login("bob", {changes: {secret: {value: 1}}}), await login("eve")];
			const browser = visitor(url);
			const answer = await browser.post("/login", cookie(...shown));
			assert.equal(answer.json(), "ada");

			for (const token of shown) assert.equal((await service.open(token)).status, "ended");
			for (const all of [[...shown, browser.token], [browser.token, ...shown]]) {
				assert.deepEqual((await visitor(url).get("/", cookie(...all))).json(), ["ada", null, {}]);
			}
			const again = await visitor(url).post("/login", cookie(shown[0], browser.token));
			assert.equal(again.json(), "ada");
		});

		test("a log-out ends all that are shown", async () => {
			const url = await serve();
			const shown = [await login("bob"), await login("eve")];
			await visitor(url).post("/logout", cookie(...shown));

			for (const token of shown) assert.equal((await service.open(token)).end_reason, "logout");
		});

		test("a log-in does not count where the others could not be ended", async () => {
			const url = await serve();
			const shown = [await login("bob"), await login("eve")];
			relay.mode = "gateway commits";
			const refused = await visitor(url).post("/login", cookie(...shown));

			assert.equal(refused.status, 503);
			assert.equal(relay.calls.filter((path) => path === "/v1/commit").length, 1);
		});

		test("more than eight are not asked for, and forgotten", async () => {
			const url = await serve();
			const many = Array.from({length: 9}, (_, n) => FOREIGN.replace(/f/, String(n)));
			const answer = await visitor(url).get("/", cookie(...many));

			assert.deepEqual([answer.json()[0], cleared(answer).length, relay.calls], [null, 2, []]);
		});

		test("the service away is a 503, and never nobody", async () => {
			const url = await serve();
			const shown = [FOREIGN, await login("ada")];
			relay.mode = "gateway";

			assert.deepEqual(problem(await visitor(url).get("/", cookie(...shown))), {status: 503, code: "store-unavailable"});
		});
	});
}

describe("each cookie of the name that can be named is forgotten", () => {
	for (const {why, name, host, path, lines} of vectors("cookies").clearing) {
		test(why, () => assert.deepEqual(clearings(name, host, path), lines));
	}
	test("without a Host header, too", () => assert.equal(clearings("sid", undefined, "/").length, 2));
});
