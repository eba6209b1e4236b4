import {beforeEach, describe, expect, test, vi} from "vitest";
import {cookieJar, openTab, pass, settle, until} from "./browser.js";
import {fakeTime, setUp} from "./setup.js";

const world = setUp();
const ENDS = ["idle_timeout", "absolute_timeout"] as const;

beforeEach(() => fakeTime());

async function tabs(count: number, options = {}) {
	const jar = cookieJar();
	const all = Array.from({length: count}, () => openTab(world.server, {transport: jar.transport, retries: 0, ...options}));
	await Promise.all([all[0]!.client.start(), pass(100, 20)]);
	await until(() => all.every(({client}) => client.state.status === "active"));
	await settle();
	world.server.log = [];
	for (const tab of all) tab.seen.length = 0;
	return all;
}

const session = () => [...world.server.sessions.values()].at(-1)!;

describe("without locks, as over plain http", () => {
	beforeEach(() => {
		// Tabs that draw the same number both ask.
		let draw = 0;
		vi.spyOn(Math, "random").mockImplementation(() => (draw += 0.23) % 1);
	});

	test("all tabs warn and end, and one of them asks", async () => {
		const all = await tabs(4);
		await pass(539_000);
		await pass(2_000, 20);
		for (const {seen} of all) expect(seen).toEqual(["near", expect.stringMatching(/^expiring (59|60)$/)]);
		expect(world.server.count("GET /session")).toBe(1);
		await pass(58_000);
		await pass(3_000, 20);

		for (const {seen} of all) expect(seen.slice(2)).toEqual(["ended", "ended idle_timeout"]);
		expect(world.server.count("GET /session")).toBeLessThanOrEqual(3);
		expect(world.server.log.every(({method}) => method === "GET")).toBe(true);
	});

	test("what was extended elsewhere neither warns nor ends", async () => {
		const all = await tabs(2);
		for (let round = 0; round < 3; round++) {
			await pass(500_000);
			session().seenAt = world.server.now();
		}
		await pass(500_000);

		expect(all.flatMap(({seen}) => seen.filter((what) => what !== "active"))).toEqual([]);
	});

	test("extended after the warning, it warns again in its time", async () => {
		const all = await tabs(2);
		await pass(550_000, 5_000);
		const touched = all[0]!.client.touch();
		await pass(1_000);
		await touched;
		expect(all.map(({seen}) => seen.at(-1))).toEqual(["active", "active"]);
		await pass(541_000, 1_000);

		for (const {seen} of all) expect(seen.filter((what) => what.startsWith("expiring"))).toHaveLength(2);
	});
});

test.each(ENDS)("out of reach it ends by the clock, for %s, and says so once", async (reason) => {
	if (reason === "absolute_timeout") world.server.absolute = world.server.idle;
	const all = await tabs(3);
	await pass(550_000, 5_000);
	world.server.fault = () => "drop";
	await pass(51_000);
	for (const {client, seen} of all) {
		expect(client.state).toMatchObject({status: "ended", endReason: reason});
		expect(seen.slice(-2)).toEqual(["ended", `ended ${reason}`]);
	}

	world.server.fault = () => undefined;
	world.page.window.dispatchEvent(new Event("online"));
	await pass(2_000, 100);
	for (const {seen} of all) expect(seen.filter((what) => what === `ended ${reason}`)).toHaveLength(1);
});

test("ended by the clock and alive after all: corrected, and ended again when it does", async () => {
	const all = await tabs(2);
	await pass(550_000, 5_000);
	world.server.fault = () => "drop";
	await pass(51_000);
	expect(all.map(({client}) => client.state.status)).toEqual(["ended", "ended"]);
	session().seenAt = world.server.now();
	world.server.fault = () => undefined;
	await pass(32_000);
	expect(all.map(({client}) => client.state.status)).toEqual(["active", "active"]);
	await pass(601_000, 5_000);

	for (const {seen} of all) expect(seen.filter((what) => what === "ended idle_timeout")).toHaveLength(2);
});

test("the warning too is given without the server", async () => {
	const all = await tabs(2);
	world.server.fault = () => "drop";
	await pass(541_000, 1_000);

	for (const {seen} of all) expect(seen).toEqual(["near", expect.stringMatching(/^expiring (59|60)$/)]);
});

test.each([-86_400_000, 86_400_000])("it goes by the server's clock, %i ms from ours", async (skew) => {
	world.server.skew = skew;
	const [tab] = await tabs(1);
	expect(tab!.client.secondsLeft()).toBe(600);
	await pass(539_000, 1_000);
	expect(tab!.seen).toEqual([]);
	await pass(2_000, 100);
	expect(tab!.seen[1]).toMatch(/^expiring (59|60)$/);
	await pass(60_000);
	expect(tab!.seen.at(-1)).toBe("ended idle_timeout");
});

test("a session of ninety days needs no timer of ninety days", async () => {
	world.server.idle = world.server.absolute = 90 * 86_400_000;
	const timer = vi.spyOn(globalThis, "setTimeout");
	const [tab] = await tabs(1);
	await pass(120_000, 10_000);

	expect(Math.max(...timer.mock.calls.map(([, ms]) => ms ?? 0))).toBeLessThanOrEqual(30_000);
	expect(tab!.seen).toEqual([]);
	expect(world.server.log).toEqual([]);
	expect(tab!.client.secondsLeft()).toBeGreaterThan(89 * 86_400);
});

test("a server that sees the end a little later is not asked without pause", async () => {
	const [tab] = await tabs(1);
	await pass(598_000, 1_000);
	world.server.log = [];
	// It still says "active" for two seconds after the end that it named.
	const {expiry} = world.server;
	const named = expiry.call(world.server, session());
	const state = world.server.state.bind(world.server);
	world.server.expiry = () => named + 2_000;
	world.server.state = (kept) => ({...state(kept), expires_at: kept && named});
	await pass(5_000, 20);

	expect(tab!.seen.at(-1)).toBe("ended idle_timeout");
	expect(world.server.log.length).toBeGreaterThan(1);
	expect(world.server.log.length).toBeLessThanOrEqual(9);
});

test("warnBefore", async () => {
	const [tab] = await tabs(1, {warnBefore: 300});
	await pass(301_000, 1_000);
	expect(tab!.seen[1]).toMatch(/^expiring (299|300)$/);
});

describe("waking", () => {
	test("after sleep the clock has run on and the timers have not", async () => {
		const [tab] = await tabs(1);
		world.server.end(session(), "revoked");
		vi.setSystemTime(Date.now() + 300_000);
		await pass(31_000);

		expect(tab!.seen.at(-1)).toBe("ended revoked");
	});

	test("a background failure is an error event, and not a crash", async () => {
		const [tab] = await tabs(1);
		await pass(6_000);
		world.server.fault = () => "drop";
		world.page.window.dispatchEvent(new Event("online"));
		await pass(500, 50);

		expect(tab!.errors).toMatchObject([{name: "SessionError", code: "network"}]);
		expect(tab!.client.state.status).toBe("active");
	});
});
