// Calls that wait go together, to a service that takes batches.
import assert from "node:assert/strict";
import {after, afterEach, before, beforeEach, test} from "node:test";
import {Batch} from "../dist/batch.js";
import {Service} from "../dist/service.js";
import {FOREIGN, startRelay, startService, vectors} from "./service.js";

const MANY = 100;

let service;
let relay;
let tokens;
let client;
before(async () => {
	service = await startService({config: "[policy]\nmax_bytes = 2000\n"});
	relay = await startRelay(service);
	const begin = async (n) => (await service.commit({changes: {n: {value: n}}})).body.token;
	tokens = await Promise.all(Array.from({length: MANY}, (_, n) => begin(n)));
});
after(async () => {
	relay.stop();
	await service.stop();
});
beforeEach(async () => {
	relay.hidesBatches = false;
	relay.clear();
	client = new Service({service: relay.url, key: service.key, timeout: 20_000});
	await client.open(FOREIGN);
	relay.clear();
});
afterEach(() => relay.hangUp());

const numbers = Array.from({length: MANY}, (_, n) => n);
const openAll = async (opener = client) => (await Promise.all(tokens.map((token) => opener.open(token)))).map((opened) => opened.session.data.n);
const nothing = {status: "active", passive: false, opened_at: null, changes: {}, increments: {}, used: [], action: null};
const add = (token, key, more = {}) => client.commit({...nothing, token, increments: {[key]: 1}, ...more});
const count = (path) => relay.calls.filter((each) => each === path).length;

for (const {why, calls, body} of vectors("batches").sent) {
	test(`sent: ${why}`, () => {
		const asked = calls.map((call) => Object.entries(call).map(([name, value]) => ({name, body: JSON.stringify(value)}))[0]);
		assert.equal(new Batch(asked, () => {}, () => {}).body, body);
	});
}

for (const {why, calls, pieces, told, each_byte} of vectors("batches").answered) {
	test(`answered: ${why}`, () => {
		const found = Array.from({length: calls}, () => null);
		const asked = found.map((_, place) => ({name: "open", body: "{}", answered: ({status, value}) => (found[place] = {status, answer: value})}));
		let left;
		const batch = new Batch(asked, () => {}, (_, calls) => (left = calls));
		const bytes = Buffer.from(pieces.join(""));
		try {
			for (let at = 0; at < bytes.length; at += each_byte ? 1 : bytes.length) batch.heard(bytes.subarray(at, each_byte ? at + 1 : bytes.length));
		} catch {
			// It is no answer.
		}
		batch.answered(new Error("broken off"));

		assert.deepEqual(found, told);
		assert.deepEqual(left, asked.filter((_, place) => told[place] === null));
	});
}

test("what waits goes together, and each gets its own answer", async () => {
	assert.deepEqual(await openAll(), numbers);
	assert.deepEqual(relay.calls, ["/v1/batch"]);
	relay.clear();

	const committed = await Promise.all(tokens.map((token) => add(token, "together")));

	assert.ok(committed.every(({session}, n) => session.data.n === n && session.data.together === 1));
	assert.deepEqual(relay.calls.sort(), ["/v1/batch", "/v1/commit"]);
});

test("a call alone is sent as ever", async () => {
	for (const token of tokens.slice(0, 3)) {
		await client.open(token);
		await add(token, "alone");
	}
	assert.equal(count("/v1/batch"), 0);
});

test("more than a batch may hold goes in several, and what is long goes alone", async () => {
	const long = client.commit({...nothing, token: tokens[0], changes: {long: {value: "x".repeat(40_000)}}});
	const opened = Promise.all([...tokens, ...tokens].map((token) => client.open(token)));

	await assert.rejects(long, {code: "data-too-large"});
	assert.deepEqual((await opened).map(({session}) => session.data.n), [...numbers, ...numbers]);
	assert.deepEqual(relay.calls, ["/v1/commit", "/v1/batch", "/v1/batch"]);
});

test("one that is refused says nothing of its neighbours", async () => {
	const over = (await service.commit({changes: {n: {value: 0}}})).body.token;
	await service.commit({token: over, action: {type: "logout"}});

	const found = await Promise.allSettled([
		add(tokens[0], "a"),
		add(over, "a"),
		add(tokens[1], "a"),
		add(tokens[2], "a", {changes: {n: {value: "x".repeat(3000)}}}),
		add(tokens[3], "a", {misspelled: true}),
		client.open(tokens[4]),
	]);

	assert.deepEqual(count("/v1/batch"), 1);
	assert.deepEqual(
		found.map(({reason}) => reason?.code ?? "done"),
		["done", "session-ended", "done", "data-too-large", "invalid-body", "done"],
	);
	assert.equal(found[1].reason.endReason, "logout");
});

test("a hundred changes of one session are made in the order in which they were sent", async () => {
	const change = (n) => client.commit({...nothing, token: tokens[0], changes: {last: {value: n}}});
	const first = change(-1);
	const committed = await Promise.all(numbers.map(change));
	await first;

	assert.deepEqual(committed.map(({session}) => session.data.last), numbers);
});

test("another back end's large integers come and go as they are", async () => {
	const mine = tokens.slice(0, 3);
	const large = ["9007199254740993", "-9223372036854775808", "9223372036854775807"];
	for (const [n, token] of mine.entries()) await service.commit(`{"token":"${token}","status":"active","changes":{"large":{"value":${large[n]}}}}`);
	const opened = await Promise.all(mine.map((token) => client.open(token)));
	const change = (n) => client.commit({...nothing, token: mine[n], changes: {large: {base: opened[n].session.data.large, value: [opened[n].session.data.large]}}}, opened[n].wide);
	const committed = await Promise.all(mine.map((_, n) => change(n)));

	assert.equal(count("/v1/batch") >= 2, true);
	const kept = (value) => new RegExp(`"large": ?${value}[,}]`);
	for (const [n, {wide}] of committed.entries()) {
		assert.deepEqual([...wide.values()], [large[n]]);
		assert.match(await service.text(mine[n]), kept(`\\[${large[n]}\\]`));
	}
});

for (const mode of ["chunked", "dribble", "close"]) {
	test(`answers that come so: ${mode}`, async () => {
		relay.mode = mode;
		assert.deepEqual(await openAll(), numbers);
		assert.deepEqual(await openAll(), numbers);
	});
}

test("a connection that dies amid a batch leaves commits unknown, and opens are asked again one by one", async () => {
	await client.open(FOREIGN);
	relay.clear("cut 2");

	const found = await Promise.allSettled([add(tokens[0], "first"), ...tokens.slice(1, 6).map((token) => add(token, "cut")), ...tokens.slice(6, 20).map((token) => client.open(token))]);

	const codes = found.map(({reason}) => reason?.code ?? "done");
	assert.equal(codes.slice(1, 6).filter((code) => code === "store-unavailable").length >= 3, true);
	assert.deepEqual(codes.slice(6), Array(14).fill("done"));
	assert.deepEqual(found.slice(6).map(({value}) => value.session.data.n), numbers.slice(6, 20));
	assert.deepEqual([count("/v1/batch"), count("/v1/commit")], [1, 1]);
	// What became of each is known by now: no commit was made twice.
	const after = await Promise.all(tokens.slice(1, 6).map((token) => service.open(token)));
	assert.ok(after.every(({session}) => session.data.cut === 1));
});

test("to a service that knows no batches all goes as ever", async () => {
	relay.hidesBatches = true;
	const other = new Service({service: relay.url, key: service.key, timeout: 20_000});
	await other.open(FOREIGN);
	relay.clear();

	assert.deepEqual(await openAll(other), numbers);
	assert.equal(count("/v1/batch"), 0);
	assert.equal(count("/v1/open"), MANY);
});

test("a service that was put back to an older one has done nothing of a batch, and is sent no other", async () => {
	relay.hidesBatches = true;
	const committed = await Promise.all(tokens.map((token) => add(token, "older")));

	assert.ok(committed.every(({session}) => session.data.older === 1));
	assert.deepEqual([count("/v1/batch"), count("/v1/commit")], [1, MANY]);
	relay.clear();
	assert.deepEqual(await openAll(), numbers);
	assert.equal(count("/v1/batch"), 0);
});

test("where none is answered in time, all are refused, and the next ones are not", async (t) => {
	t.mock.method(process, "emitWarning", () => {});
	const hasty = new Service({service: relay.url, key: service.key, timeout: 1000});
	await hasty.open(FOREIGN);
	relay.mode = "hang";
	const settled = await Promise.allSettled(tokens.map((token) => hasty.open(token)));

	assert.ok(settled.every(({reason}) => reason?.code === "store-unavailable"));
	relay.clear();
	assert.deepEqual(await openAll(), numbers);
});

test("a batch that hangs holds none that come behind it", async () => {
	relay.mode = "hold";
	const held = [client.open(tokens[0]), client.open(tokens[1])];
	while (relay.held.length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
	relay.mode = "pass";

	assert.deepEqual(await openAll(), numbers);
	assert.equal(relay.held.length, 1);

	await relay.release();
	assert.deepEqual((await Promise.all(held)).map(({session}) => session.data.n), [0, 1]);
});
