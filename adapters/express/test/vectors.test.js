// What every adapter of Sojourn agrees on: tests/vectors of the repository.
import assert from "node:assert/strict";
import {after, before, describe, test} from "node:test";
import express from "express";
import {sojourn} from "sojourn-express";
import {findTokens} from "../dist/cookie.js";
import {BoundCookies, DeviceKey} from "../dist/device.js";
import {headersOf} from "../dist/problem.js";
import {checkLogin} from "../dist/step_up.js";
import {startRelay, startService, vectors} from "./service.js";
import {closeAll, listen, problem, visitor} from "./visitor.js";

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

const {valid, invalid} = vectors("tokens");
const cookie = (text) => findTokens(`a=1; s=${text}; b=2`, "s");

test("what has a token's shape is one, and nothing else", () => {
	for (const {token} of valid) assert.equal(cookie(token), token);
	for (const {text, why} of invalid) {
		// A cookie's value ends at a semicolon, and blanks around it are not of it.
		if (text.trim() === text && !text.includes(";")) assert.equal(cookie(text), null, why);
	}
});

describe("the token in Cookie headers", () => {
	for (const {why, name, headers, tokens} of vectors("cookies").cases) {
		test(why, () => {
			// node:http joins several Cookie headers so.
			const found = findTokens(headers.length ? headers.join("; ") : undefined, name);
			assert.deepEqual([found ?? []].flat(), tokens);
		});
	}
});

describe("a key of the browser's own", () => {
	const {shown, refused} = vectors("devices");
	const keyOf = (headers, cookie = "__Host-session", asked = {}) => new DeviceKey(new BoundCookies(cookie), {url: "/", ...asked, headers});
	for (const {why, headers, cookie, method, target: url, device} of shown) {
		const key = keyOf(headers, cookie, url === undefined ? {} : {method, url});
		test(`is handed on: ${why}`, () => assert.deepEqual(key.shown, device === null ? {} : {device}));
	}
	for (const {why, code, headers, told} of refused) {
		test(`is not proved: ${why}`, () => {
			const {"Set-Cookie": cookies = [], Refresh: refresh, ...rest} = headersOf(keyOf(headers).refused({status: 401, code, title: "", detail: ""}));
			assert.equal(cookies.length > 0 && cookies.every((line) => line.startsWith("__Host-session=; Max-Age=0; ")), told === "forget");
			assert.equal(refresh, told === "again" ? "0" : undefined);
			assert.deepEqual(Object.keys(rest).sort(), ["Cache-Control", "Content-Type", "X-Content-Type-Options"]);
		});
	}
});

describe("merges, over the service", () => {
	for (const {why, conflict, ...values} of vectors("merges").cases) {
		test(why, async () => {
			const value = (name) => (name in values ? {value: values[name]} : {});
			const {token, now} = (await service.commit({changes: {other: {value: 1}, ...("base" in values && {x: value("base")})}})).body;
			const app = express();
			app.use(sojourn({service: service.url, key: service.key}));
			app.use(async (req, res) => {
				const base = "base" in values ? {base: values.base} : {};
				assert.equal((await service.commit({token, opened_at: now, changes: {x: {...base, ...value("theirs")}}})).status, 200);
				if ("mine" in values) req.session.x = values.mine;
				else delete req.session.x;
				res.end();
			});
			assert.equal((await visitor(await listen(app), token).get("/")).status, 200);
			const {other, ...rest} = (await service.open(token)).session.data;

			assert.deepEqual(rest, "merged" in values ? {x: values.merged} : {});
			void conflict;
		});
	}
});

describe("what comes after an end, over the service", () => {
	const login = {type: "login", user_id: "ada"};
	const acts = {
		change: (session) => {
			session.a = 1;
			return session.save();
		},
		increment: (session) => {
			session.increment("a");
			return session.save();
		},
		regenerate: (session) => session.regenerate({keepData: true}),
		login: (session) => session.login("ada"),
		logout: (session) => session.logout(),
	};
	const meanwhile = {
		logout: (token) => service.commit({token, action: {type: "logout"}}),
		login: (token) => service.commit({token, action: login, changes: {kept: {base: 1, value: 1}}}),
	};

	for (const expected of vectors("ends").cases) {
		test(expected.why, async () => {
			const {token} = (await service.commit({changes: {kept: {value: 1}}, action: login})).body;
			if (expected.before === "ended") await meanwhile.logout(token);
			const app = express();
			app.use(sojourn({service: service.url, key: service.key}));
			app.use(async (req, res) => {
				if (expected.meanwhile) await meanwhile[expected.meanwhile](token);
				// As who listens to nothing, and as who handles what is refused.
				await acts[expected.does](req.session).catch((error) => res.status(error.status).json([error.code, error.endReason]));
				if (!res.headersSent) res.end();
			});
			const shown = expected.before === "none" ? token.slice(0, -64) + "0".repeat(64) : token;
			const browser = visitor(await listen(app), shown);
			const answer = await browser.get("/");

			if (expected.result === "refused") assert.deepEqual([answer.status, ...answer.json()], [401, "session-ended", expected.end_reason]);
			else assert.equal(answer.status, 200);
			const told = {[shown]: "nothing", null: "cleared"}[browser.token] ?? "new";
			assert.deepEqual([told, browser.told.length], [expected.cookie, told === "nothing" ? 0 : 1]);
			const {status, session} = browser.token === null ? {} : await service.open(browser.token);
			assert.deepEqual(status === "active" ? {user_id: session.user_id, data: session.data} : null, expected.session);
		});
	}
});

test("a trusted origin is one that a browser may send", () => {
	const start = (origin) => sojourn({service: service.url, key: service.key, trustedOrigins: [origin]});
	const origins = vectors("origins");
	for (const origin of origins.valid) start(origin);
	for (const origin of origins.invalid) assert.throws(() => start(origin), /trustedOrigins has /, origin);
});

describe("what a log-in is enough for", () => {
	const {cases, levels, methods} = vectors("step_up");
	for (const {why, user_id, ago, proved, end_reason, asked, problem} of cases) {
		test(why, () => {
			const now = 1_795_425_666_244;
			const state = {user_id, authenticated_at: ago === null ? null : now - ago, level: proved};
			if (problem === null) return assert.equal(checkLogin(state, now, end_reason, asked), user_id);
			assert.throws(
				() => checkLogin(state, now, end_reason, asked),
				(error) => {
					const {status, code, title, detail, ...held} = error.problem;
					assert.deepEqual([status, {code, ...held}], [401, problem]);
					const {endReason, maxAge, level} = error;
					assert.deepEqual([endReason, maxAge, level], [problem.end_reason ?? null, problem.max_age ?? null, problem.level ?? null]);
					return true;
				},
			);
		});
	}

	test("levels and methods", async () => {
		const app = express();
		app.use(sojourn({service: service.url, key: service.key}));
		const told = [];
		app.use((req, res, next) => {
			const login = (options) => req.session.login("ada", options);
			for (const level of levels.invalid) assert.throws(() => login({level}), {code: "configuration"});
			for (const names of methods.invalid) assert.throws(() => login({methods: names}), {code: "configuration"});
			next();
		});
		app.use(async (req, res) => {
			for (const level of levels.valid) {
				await req.session.login("ada", {level});
				told.push(req.session.loginLevel);
			}
			for (const names of methods.valid) {
				await req.session.login("ada", {methods: names});
				told.push(req.session.loginMethods);
			}
			res.end();
		});
		assert.equal((await visitor(await listen(app)).get("/")).status, 200);
		assert.deepEqual(told, [...levels.valid, ...methods.valid]);
	});
});

describe("problems", () => {
	const told = ["session-ended", "session-conflict", "session-limit", "session-refused", "data-too-large", "body-too-large", "reauthentication-required", "store-unavailable"];
	for (const {why, code, status, headers, body} of vectors("problems").problems) {
		test(why, async (t) => {
			t.mock.method(process, "emitWarning", () => {});
			relay.mode = {status, headers, body: JSON.stringify(body)};
			const app = express();
			app.set("env", "test");
			app.use(sojourn({service: relay.url, key: service.key}));
			let caught;
			app.use(async (req, res) => {
				req.session.a = 1;
				if (req.path === "/caught") caught = await req.session.save().catch((error) => error);
				res.end();
			});
			let failed;
			app.use((error, req, res, next) => {
				failed = error;
				res.status(error.status).json(error.code);
			});
			const url = await listen(app);
			const [open, commit] = [await visitor(url, valid[0].token).get("/"), await visitor(url).get("/")];
			await visitor(url).get("/caught");
			assert.equal(caught.code, code);
			if (told.includes(code)) {
				const {end_reason = null, keys = null, size = null, limit = null, action = null, retry_after = null} = body;
				assert.deepEqual([caught.endReason, caught.keys, caught.size, caught.limit], [end_reason, keys, size, limit]);
				assert.deepEqual([caught.action, caught.retryAfter], [action, retry_after]);
				for (const answer of [open, commit]) {
					assert.equal(problem(answer).status, status);
					assert.deepEqual(answer.json(), body);
					assert.equal(answer.headers.get("retry-after"), headers["retry-after"] ?? null);
				}
				assert.equal(failed, undefined);
			} else {
				assert.deepEqual([open.status, open.json(), failed.code, failed.name], [500, code, code, "SojournError"]);
				assert.deepEqual(problem(commit), {status: 500, code: "session-not-kept"});
			}
		});
	}
});
