// What every adapter of Sojourn agrees on: tests/vectors of the repository.
import assert from "node:assert/strict";
import {after, before, describe, test} from "node:test";
import express from "express";
import {sojourn} from "sojourn-express";
import {findToken} from "../dist/cookie.js";
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
const cookie = (text) => findToken(`a=1; s=${text}; b=2`, "s");

test("what has a token's shape is one, and nothing else", () => {
	for (const {token} of valid) assert.equal(cookie(token), token);
	for (const {text, why} of invalid) {
		// A cookie's value ends at a semicolon, and blanks around it are not of it.
		if (text.trim() === text && !text.includes(";")) assert.equal(cookie(text), null, why);
	}
});

describe("the token in Cookie headers", () => {
	for (const {why, name, headers, result, token} of vectors("cookies").cases) {
		test(why, () => {
			// node:http joins several Cookie headers so.
			const found = findToken(headers.length ? headers.join("; ") : undefined, name);
			assert.equal(found, result === "token" ? token : result === "none" ? null : "ambiguous");
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

describe("problems", () => {
	const told = ["session-ended", "session-conflict", "session-limit", "data-too-large", "body-too-large", "store-unavailable"];
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
				const {end_reason = null, keys = null, size = null, limit = null} = body;
				assert.deepEqual([caught.endReason, caught.keys, caught.size, caught.limit], [end_reason, keys, size, limit]);
				for (const answer of [open, commit]) {
					assert.equal(problem(answer).status, status);
					assert.deepEqual(answer.json(), body);
					assert.equal(answer.headers.get("retry-after"), status === 503 ? "2" : null);
				}
				assert.equal(failed, undefined);
			} else {
				assert.deepEqual([open.status, open.json(), failed.code, failed.name], [500, code, code, "SojournError"]);
				assert.deepEqual(problem(commit), {status: 500, code: "session-not-kept"});
			}
		});
	}
});
