// A token's secret is renewed while parallel and slow requests are at work.
import assert from "node:assert/strict";
import {after, before, test} from "node:test";
import {setTimeout as sleep} from "node:timers/promises";
import express from "express";
import {sojourn} from "sojourn-express";
import {startRelay, startService, until} from "./service.js";
import {closeAll, listen, visitor} from "./visitor.js";

const GRACE = 1500;
const POLICY = `
[policy]
touch_interval = 0
rotate_interval = 0
rotate_grace = ${GRACE / 1000}
`;
const BURSTS = 4; // as many secrets as are remembered
const TABS = 8;

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

test("a renewed secret is the browser's to show first, and a request is not a thief for being slow", async () => {
	let go;
	const held = new Promise((resolve) => (go = resolve));
	const app = express();
	app.use(sojourn({service: relay.url, key: service.key}));
	app.get("/", async (req, res) => {
		if (req.query.slow) await held;
		req.session.increment("saved");
		await req.session.save();
		if (req.query.slow) await req.session.reload();
		req.session.increment("left");
		res.json(req.session.userId);
	});
	const url = await listen(app);
	const ada = visitor(url, (await service.commit({action: {type: "login", user_id: "ada"}})).body.token);
	const shown = new Set([ada.token]);
	const asked = [ada.get("/?slow=1")];
	await until(() => relay.calls.length);
	for (let burst = 0; burst < BURSTS; burst++) {
		shown.add(ada.token);
		const tabs = Array.from({length: TABS}, () => ada.get("/"));
		asked.push(...tabs);
		await Promise.all(tabs);
	}
	// The secret that the slow one came with is retired for longer than the grace.
	await sleep(GRACE + 100);
	go();

	for (const answer of await Promise.all(asked)) assert.deepEqual([answer.status, answer.body], [200, '"ada"']);
	const used = new Set(relay.carried().map(({asked}) => asked.token));
	assert.deepEqual([...used].filter((token) => !shown.has(token)), []);
	assert.ok(shown.size > 2, `${shown.size} secrets`);
	const {status, session} = await service.open(ada.token);
	assert.equal(status, "active");
	assert.deepEqual(session.data, {saved: asked.length, left: asked.length});
});
