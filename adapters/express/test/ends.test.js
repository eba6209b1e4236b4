// What goes on for long ends with its session.
import assert from "node:assert/strict";
import {once} from "node:events";
import {request} from "node:http";
import {after, before, test} from "node:test";
import {setTimeout as sleep} from "node:timers/promises";
import express from "express";
import {sojourn} from "sojourn-express";
import {NAME, startRelay, startService, until} from "./service.js";
import {closeAll, listen} from "./visitor.js";

let service;
let relay;
let stopped = 0;
before(async () => {
	service = await startService();
	relay = await startRelay(service);
});
after(async () => {
	closeAll();
	relay.stop();
	await service.stop();
});

async function site() {
	const app = express();
	app.use(sojourn({service: relay.url, key: service.key}));
	app.get("/prices", async (req, res) => {
		const signal = req.session.untilEnded(res);
		res.set("Content-Type", "text/event-stream").write("data: 42\n\n");
		try {
			await sleep(60_000, undefined, {signal});
		} catch {
			stopped++;
			res.end(`event: end\ndata: ${signal.reason.endReason}\n\n`);
		}
	});
	return listen(app);
}

async function logIn() {
	const {body} = await service.commit({action: {type: "login", user_id: "ada"}});
	return {token: body.token, id: body.session.id};
}

/** A stream that has begun: `text` is all of it, once it is over. */
async function stream(url, token) {
	const asked = request(`${url}/prices`, {headers: {cookie: `${NAME}=${token}`}}).end();
	const [answer] = await once(asked, "response");
	await once(answer.setEncoding("utf8"), "data");
	const text = (async () => {
		let rest = "";
		for await (const part of answer) rest += part;
		return rest;
	})();
	return {text, hangUp: () => asked.destroy()};
}

const waits = () => relay.calls.filter((path) => path.includes("/end?")).length;

test("streams end with their session, with one question for them all", async () => {
	const url = await site();
	const [{token, id}, other] = [await logIn(), await logIn()];
	relay.clear();
	const streams = [await stream(url, token), await stream(url, token)];
	const going = await stream(url, other.token);
	await until(() => waits() === 2);
	const began = Date.now();
	await service.revoke(id);

	for (const {text} of streams) assert.equal(await text, "event: end\ndata: revoked\n\n");
	assert.ok(Date.now() - began < 15_000, "not when the question would have been over anyway");
	assert.equal(waits(), 2);
	let isOver = false;
	going.text.then(() => (isOver = true), () => (isOver = true));
	await sleep(50);
	assert.equal(isOver, false);
	going.hangUp();
	await until(() => isOver);
});

test("a service that is away for a while ends nothing, and what ended meanwhile is told", async () => {
	const url = await site();
	const {token, id} = await logIn();
	relay.clear();
	const {text} = await stream(url, token);
	await until(() => waits() === 1);
	relay.mode = "reset";
	relay.hangUp();
	await until(() => waits() === 2);
	await service.revoke(id);
	relay.mode = "pass";

	assert.equal(await text, "event: end\ndata: revoked\n\n");
});

test("who hangs up is waited for no longer", async () => {
	const url = await site();
	const {token} = await logIn();
	relay.clear();
	const {text, hangUp} = await stream(url, token);
	await until(() => waits() === 1);
	const [open, before] = [await relay.connections(), stopped];
	hangUp();
	await text.catch(() => {});

	await until(() => stopped === before + 1);
	await until(async () => (await relay.connections()) < open);
	assert.equal(waits(), 1);
});
