// Recent proof in each one's manner: a middleware in Express, a preHandler in Fastify, an exception where handlers take a Request.
import assert from "node:assert/strict";
import {after, afterEach, before, describe, test} from "node:test";
import Fastify from "fastify";
import {requireLogin, sojourn} from "sojourn-express";
import {requireLogin as requireLoginInFastify, sojournFastify} from "sojourn-express/fastify";
import {sessions} from "sojourn-express/fetch";
import {NAME, startService, until} from "./service.js";
import {VERSIONS, closeAll, listen, problem, visitor} from "./visitor.js";

let service;
before(async () => void (service = await startService()));
afterEach(closeAll);
after(() => service.stop());

const options = () => ({service: service.url, key: service.key});

async function loggedIn(more = {}) {
	return (await service.commit({action: {type: "login", user_id: "ada", level: "aal1", ...more}})).body.token;
}

const REFUSED = [
	["/members", null, {code: "login-required"}],
	["/fresh", null, {code: "login-required"}],
	["/sure", {}, {code: "reauthentication-required", level: "aal2"}],
];

function is(answer, {code, ...held}) {
	assert.deepEqual(problem(answer), {status: 401, code});
	const {type, title, status, detail, ...told} = answer.json();
	assert.deepEqual(told, held);
	assert.match(answer.headers.get("vary"), /cookie/i);
}

for (const [version, express] of VERSIONS) {
	describe(version, () => {
		function site() {
			const app = express();
			app.use(sojourn(options()));
			app.get("/members", requireLogin(), (req, res) => res.send(req.session.requireLogin()));
			app.get("/fresh", requireLogin({within: 300}), (req, res) => res.send("let in"));
			app.get("/at-once", requireLogin({within: 0.001}), (req, res) => res.send("let in"));
			app.get("/sure", requireLogin({level: "aal2"}), (req, res) => res.send("let in"));
			return listen(app);
		}

		test("a log-in that is not there, or not enough, is a 401", async () => {
			const url = await site();
			for (const [path, login, held] of REFUSED) is(await visitor(url, login && (await loggedIn(login))).get(path), held);
		});

		test("one that is too old is a 401, until there is another", async () => {
			const url = await site();
			const ada = visitor(url, await loggedIn());
			await until(async () => (await ada.get("/at-once")).status === 401);
			is(await ada.get("/at-once"), {code: "reauthentication-required", max_age: 0.001});
		});

		test("one that is enough is let in", async () => {
			const url = await site();
			const ada = visitor(url, await loggedIn({level: "aal3"}));
			assert.equal((await ada.get("/members")).body, "ada");
			for (const path of ["/fresh", "/sure"]) assert.equal((await ada.get(path)).body, "let in");
		});
	});
}

test("without a session before it, nobody is let in", async () => {
	const [, express] = VERSIONS[1];
	const app = express();
	app.set("env", "test");
	app.get("/", requireLogin(), (req, res) => res.send("let in"));
	assert.equal((await visitor(await listen(app)).get("/")).status, 500);
});

test("what asks for nothing that a log-in can be is refused when it is mounted", () => {
	for (const proof of [{level: "high"}, {within: "300"}, {within: -1}, {within: NaN}]) {
		assert.throws(() => requireLogin(proof), {code: "configuration"});
		assert.throws(() => requireLoginInFastify(proof), {code: "configuration"});
	}
});

test("Fastify: a preHandler", async () => {
	const app = Fastify();
	await app.register(sojournFastify, options());
	app.get("/members", {preHandler: requireLoginInFastify()}, () => "let in");
	app.get("/fresh", {preHandler: requireLoginInFastify({within: 300})}, () => "let in");
	app.get("/sure", {preHandler: requireLoginInFastify({level: "aal2"})}, () => "let in");
	const url = await app.listen({port: 0, host: "127.0.0.1"});
	try {
		for (const [path, login, held] of REFUSED) is(await visitor(url, login && (await loggedIn(login))).get(path), held);
		assert.equal((await visitor(url, await loggedIn({level: "aal2"})).get("/sure")).body, "let in");
	} finally {
		await app.close();
	}
});

test("a handler of a Request: what requireLogin throws is the answer, and keeps no change", async () => {
	const {handle} = sessions(options());
	const token = await loggedIn();
	const request = new Request("http://localhost/", {headers: {cookie: `${NAME}=${token}`}});
	const answer = await handle(request, (session) => {
		session.a = 1;
		session.requireLogin({level: "aal2"});
		return new Response("let in");
	});
	assert.equal(answer.status, 401);
	assert.equal((await answer.json()).type, "urn:sojourn:problem:reauthentication-required");
	assert.deepEqual((await service.open(token)).session.data, {});
});

test("of several uses of a grant in one request, one counts", async () => {
	const {open} = sessions(options());
	const token = await loggedIn();
	const ask = () => open(new Request("http://localhost/", {headers: {cookie: `${NAME}=${token}`}}));
	const first = await ask();
	first.grantOnce("transfer:42");
	await first.save();
	const [one, other] = [await ask(), await ask()];
	other.a = 1;
	const used = await Promise.allSettled([one.useGrant("transfer:42"), one.useGrant("transfer:42"), other.save(), other.useGrant("transfer:42")]);
	assert.equal(used.filter(({status}, index) => index !== 2 && status === "fulfilled").length, 1);
	for (const {reason} of used) if (reason) assert.deepEqual([reason.code, reason.action], ["reauthentication-required", "transfer:42"]);
});
