// What the service's policy asks of a request.
import assert from "node:assert/strict";
import {after, before, beforeEach, describe, test} from "node:test";
import {sojourn} from "sojourn-express";
import {startRelay, startService} from "./service.js";
import {closeAll, listen, problem, VERSIONS, visitor} from "./visitor.js";

const POLICY = `
[policy]
touch_interval = 0
rotate_interval = 0
max_sessions = 1
on_limit = "refuse"
on_conflict = "raise"
`;
const KEYS = ["theme", "it's", "a, b", 'say "hi"', "\\", "ключ 🦊", ""];
const changes = (value) => Object.fromEntries(KEYS.map((key) => [key, {value}]));

let service;
let relay;
before(async () => {
	service = await startService({config: POLICY});
	relay = await startRelay(service);
});
after(async () => {
	closeAll();
	relay.stop();
	await service.stop();
});
beforeEach(() => relay.clear());

for (const [version, express] of VERSIONS) {
	const serve = async (handler, more) => {
		const app = express();
		app.use(sojourn({service: relay.url, key: service.key, ...more}));
		app.use(handler);
		return listen(app);
	};
	let users = 0;
	const start = async () => (await service.commit({action: {type: "login", user_id: `${version} ${++users}`}})).body.token;

	describe(`${version}: the policy`, () => {
		test("activity is written though nothing was changed, but not for a passive request, unless it is touched", async () => {
			const url = await serve(
				(req, res) => {
					if (req.query.touch) req.session.touch();
					res.send("ok");
				},
				{passive: (req) => req.path === "/poll"},
			);
			const calls = async (path) => {
				const ada = visitor(url, await start());
				relay.clear();
				await ada.get(path);
				return relay.calls;
			};

			assert.deepEqual(await calls("/"), ["/v1/open", "/v1/commit"]);
			assert.deepEqual(await calls("/poll"), ["/v1/open"]);
			assert.deepEqual(await calls("/poll?touch=1"), ["/v1/open", "/v1/commit"]);
		});

		test("a passive request that changes something says that it is passive", async () => {
			const url = await serve((req, res) => res.json(req.session.increment("n")), {passive: () => true});
			await visitor(url, await start()).get("/");

			assert.equal(JSON.parse(relay.bodies[1]).passive, true);
		});

		test("a renewed secret goes to the browser; until it comes back from there, the old one is shown", async () => {
			const url = await serve(async (req, res) => {
				await req.session.save();
				req.session.n = 1;
				res.send("ok");
			});
			const token = await start();
			const ada = visitor(url, token);
			await ada.get("/");

			assert.notEqual(ada.token, token);
			assert.equal(ada.token.slice(0, 36), token.slice(0, 36));
			assert.deepEqual(relay.calls, ["/v1/open", "/v1/commit", "/v1/commit"]);
			for (const body of relay.bodies) assert.equal(JSON.parse(body).token, token);
			assert.equal((await service.open(ada.token)).session.data.n, 1);
		});

		test("a conflict is 409, for who waits for it and for who does not, and the request's changes are dropped", async () => {
			const url = await serve(async (req, res) => {
				await service.commit({token: req.get("x-token"), changes: changes("theirs")});
				for (const key of KEYS) req.session[key] = "mine";
				if (req.path === "/forget") {
					req.session.save();
					return res.redirect("/elsewhere");
				}
				if (req.path === "/save") {
					const error = await req.session.save().catch((error) => error);
					return res.json([error.code, error.status, error.keys, {...req.session}]);
				}
				res.send("never");
			});
			for (const path of ["/", "/forget", "/save"]) {
				const token = await start();
				const answer = await visitor(url, token).get(path, {headers: {"x-token": token}});
				if (path === "/save") assert.deepEqual(answer.json(), ["session-conflict", 409, KEYS, {}]);
				else {
					assert.deepEqual(problem(answer), {status: 409, code: "session-conflict"});
					assert.deepEqual(answer.json().keys, KEYS);
				}
				assert.deepEqual((await service.open(token)).session.data, Object.fromEntries(KEYS.map((key) => [key, "theirs"])));
			}
		});

		test("one session too many is 409, and the handler may answer it its own way", async () => {
			const url = await serve(async (req, res, next) => {
				req.session.cart = ["tea"];
				if (req.path === "/forget") {
					req.session.login("grace " + version);
					await new Promise((resolve) => setTimeout(resolve, 50));
					return res.send("in");
				}
				req.session.login("grace " + version, (error) => {
					if (error && req.path === "/mine") return res.status(409).send(`${error.code} ${error.limit} ${req.session.userId}`);
					if (error) return next(error);
					res.send(req.session.userId);
				});
			});
			assert.equal((await visitor(url).get("/")).body, "grace " + version);
			const answer = await visitor(url).get("/mine");

			assert.deepEqual([answer.status, answer.body], [409, "session-limit 1 null"]);
			assert.equal((await visitor(url).get("/")).status, 409);
			assert.deepEqual(problem(await visitor(url).get("/forget")), {status: 409, code: "session-limit"});
		});
	});
}
