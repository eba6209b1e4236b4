import {expect, test} from "vitest";
import {cookieJar, openTab, pass, settle, until} from "./browser.js";
import {fakeTime, setUp} from "./setup.js";

const world = setUp();

async function activeTab(options = {}) {
	const tab = openTab(world.server, {transport: cookieJar().transport, ...options});
	await tab.client.start();
	await settle();
	world.server.log = [];
	return tab;
}

function failing(times: number, reply: {status: number; headers?: Record<string, string>} | "drop") {
	let left = times;
	world.server.fault = () => (left-- > 0 ? reply : undefined);
}

test.each(["drop" as const, {status: 502}, {status: 503}, {status: 504}, {status: 429}])("%o is tried again", async (reply) => {
	const {client} = await activeTab();
	fakeTime();
	failing(2, reply);
	const done = client.set({a: 1});
	await pass(3_000, 100);

	expect((await done).data).toEqual({a: 1});
	expect(world.server.log).toHaveLength(3);
});

test("every kind of call is tried again, start too", async () => {
	const tab = await activeTab();
	const {client} = tab;
	const calls = [() => client.refresh(), () => client.start({b: 1}), () => client.touch(), () => client.list(), () => client.revoke("x"), () => client.revokeOthers(), () => client.logout()];
	fakeTime();
	for (const call of calls) {
		failing(1, "drop");
		const done = call();
		await pass(1_000, 100);
		await done;
	}
	expect(client.state.status).toBe("ended");
});

test("after the last try the error is the caller's", async () => {
	const {client, errors} = await activeTab({retries: 2});
	fakeTime();
	failing(99, "drop");
	const error = client.touch().catch((caught) => caught);
	await pass(5_000, 100);

	expect(await error).toMatchObject({status: 0, code: "network"});
	expect(world.server.log).toHaveLength(3);
	expect(errors).toEqual([]);
});

test.each([400, 403, 404, 409, 413, 422, 500])("%i is not tried again", async (status) => {
	const {client} = await activeTab();
	failing(99, {status});
	await expect(client.touch()).rejects.toMatchObject({status});
	expect(world.server.log).toHaveLength(1);
});

test("Retry-After is honoured, in seconds and as a date", async () => {
	const {client} = await activeTab();
	fakeTime();
	failing(1, {status: 503, headers: {"Retry-After": "7"}});
	const first = client.touch();
	await pass(6_500, 500);
	expect(world.server.log).toHaveLength(1);
	await pass(1_000, 500);
	await first;

	failing(1, {status: 429, headers: {"Retry-After": new Date(Date.now() + 9_000).toUTCString()}});
	const second = client.touch();
	await pass(7_500, 500);
	expect(world.server.log).toHaveLength(3);
	await pass(2_000, 500);
	await second;
});

test("where the server asks for more patience than anybody has, it is not asked again", async () => {
	const {client} = await activeTab();
	failing(1, {status: 503, headers: {"Retry-After": "3600"}});
	await expect(client.touch()).rejects.toMatchObject({status: 503});
});

test("the pauses grow and differ", async () => {
	const {client} = await activeTab({retries: 5});
	fakeTime();
	failing(99, "drop");
	const times: number[] = [];
	const log = world.server.log;
	log.push = (...items) => (times.push(Date.now()), items.length);
	void client.touch().catch(() => {});
	await pass(40_000, 50);

	const pauses = times.slice(1).map((time, index) => time - times[index]!);
	expect(pauses).toHaveLength(5);
	pauses.forEach((ms, index) => {
		expect(ms).toBeGreaterThanOrEqual(150 * 2 ** index);
		expect(ms).toBeLessThanOrEqual(450 * 2 ** index + 200);
	});
});

test("an answer that never comes is given up", async () => {
	const {client} = await activeTab({retries: 0, timeout: 2});
	fakeTime();
	world.server.hold = () => new Promise(() => {});
	const error = client.touch().catch((caught) => caught);
	await until(() => world.server.log.length);
	await pass(2_500, 500);

	expect(await error).toMatchObject({code: "network"});
});

test("the application's own requests are never tried again", async () => {
	const {client} = await activeTab();
	world.server.fault = ({path}) => (path === "/login" ? {status: 503} : undefined);
	const response = await client.fetch(world.server.url + "/login", {method: "POST"});

	expect(response.status).toBe(503);
	expect(world.server.count("POST /login")).toBe(1);
});

test("a slow state does not hold back the application's answer for long", async () => {
	const {client} = await activeTab();
	world.server.fault = ({path}) => (path === "/session" ? {status: 503, headers: {"Retry-After": "10"}} : undefined);
	fakeTime();
	let response: Response | undefined;
	void client.fetch(world.server.url + "/login", {method: "POST"}).then((value) => (response = value));
	await pass(1_900, 100);
	expect(response).toBeUndefined();
	await pass(300, 100);
	expect(response?.status).toBe(200);
	world.server.fault = () => undefined;
	await pass(10_000);
	expect(client.state.userId).toBe("ada");
});
