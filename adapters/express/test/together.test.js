// Opens of one turn of the event loop travel together.
import assert from "node:assert/strict";
import {once} from "node:events";
import {createServer} from "node:net";
import {after, afterEach, before, beforeEach, test} from "node:test";
import {Service} from "../dist/service.js";
import {startRelay, startService} from "./service.js";

const MANY = 40;

let service;
let relay;
let tokens;
let client;
before(async () => {
	service = await startService();
	relay = await startRelay(service);
	const begin = async (n) => (await service.commit({changes: {n: {value: n}}})).body.token;
	tokens = await Promise.all(Array.from({length: MANY}, (_, n) => begin(n)));
});
after(async () => {
	relay.stop();
	await service.stop();
});
beforeEach(() => {
	relay.clear();
	client = new Service({service: relay.url, key: service.key, timeout: 20000});
});
afterEach(() => relay.hangUp());

const openAll = async () => (await Promise.all(tokens.map((token) => client.open(token)))).map((opened) => opened.session.data.n);
const numbers = Array.from({length: MANY}, (_, n) => n);

test("each gets its own answer, and few connections are made", async () => {
	assert.deepEqual(await openAll(), numbers);
	assert.equal(relay.calls.length, MANY);
	assert.equal(await relay.connections(), 3);

	assert.deepEqual(await openAll(), numbers);
	assert.equal(await relay.connections(), 3);
});

for (const mode of ["chunked", "dribble", "close"]) {
	test(`answers that come so: ${mode}`, async () => {
		relay.mode = mode;
		assert.deepEqual(await openAll(), numbers);
	});
}

test("kept connections that the service hung up on cost no request", async () => {
	await openAll();
	relay.hangUp();
	assert.deepEqual(await openAll(), numbers);
});

test("a commit goes alone, and is not repeated with the opens around it", async () => {
	await openAll();
	relay.clear("reset once");
	const commit = {token: tokens[0], status: "active", passive: false, opened_at: null, changes: {}, increments: {m: 1}, action: null};

	const [lost, ...opened] = await Promise.allSettled([client.commit(commit), ...tokens.map((token) => client.open(token))]);

	assert.equal(lost.reason.code, "store-unavailable");
	assert.deepEqual(opened.map(({value}) => value.session.data.n), numbers);
	assert.equal(relay.calls.filter((path) => path === "/v1/commit").length, 1);
});

test("where none is answered in time, all are refused, and the next ones are not", async (t) => {
	t.mock.method(process, "emitWarning", () => {});
	relay.mode = "hang";
	const began = performance.now();
	const hasty = new Service({service: relay.url, key: service.key, timeout: 1000});
	const settled = await Promise.allSettled(tokens.map((token) => hasty.open(token)));

	assert.ok(settled.every(({reason}) => reason?.code === "store-unavailable"));
	assert.ok(performance.now() - began < 20_000);
	relay.clear();
	assert.deepEqual(await openAll(), numbers);
});

test("what is left of a connection that broke half-way is asked again; what nobody asked for ends it", async () => {
	const answer = (status) => {
		const body = JSON.stringify({status});
		return `HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
	};
	const sockets = [];
	let asked = 0;
	const server = createServer((socket) => {
		const which = sockets.push(socket);
		socket.on("error", () => {});
		socket.on("data", (data) => {
			const requests = data.toString().split("POST ").length - 1;
			asked += requests;
			if (which === 1) socket.end(answer("none").repeat(3) + answer("none").slice(0, 30));
			else socket.write(answer("none").repeat(which === 2 ? requests + 1 : requests));
		});
	});
	server.listen(0, "127.0.0.1");
	await once(server, "listening");
	client = new Service({service: `http://127.0.0.1:${server.address().port}`, key: service.key});

	await Promise.all(tokens.slice(0, 10).map((token) => client.open(token)));
	assert.deepEqual([sockets.length, asked], [2, 10 + 7]);
	await client.open(tokens[0]);
	assert.equal(sockets.length, 3);

	for (const socket of sockets) socket.destroy();
	server.close();
});
