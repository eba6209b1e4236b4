import {describe, expect, test, vi} from "vitest";
import {cookieJar, gate, openTab, settle, until, webStorage} from "./browser.js";
import {setUp} from "./setup.js";

const world = setUp();

async function twoTabs() {
	const jar = cookieJar();
	const a = openTab(world.server, {transport: jar.transport});
	await a.client.start();
	const b = openTab(world.server, {transport: jar.transport});
	await until(() => b.client.state.status === "active");
	await settle();
	return {a, b, jar};
}

describe("in step", () => {
	test("what one tab does shows in the other, without a request", async () => {
		const {a, b} = await twoTabs();
		world.server.log = [];
		await a.client.set({theme: "dark"});
		await until(() => b.client.state.data.theme === "dark");
		await a.client.logout();
		await until(() => b.seen.includes("ended logout"));

		expect(a.seen.filter((what) => what === "ended logout")).toHaveLength(1);
		expect(b.seen.filter((what) => what === "ended logout")).toHaveLength(1);
		expect(world.server.log).toHaveLength(2);
	});

	test("a log-in in one tab is no end in the other", async () => {
		const {a, b} = await twoTabs();
		await a.client.fetch(world.server.url + "/login", {method: "POST"});
		await until(() => b.client.state.userId === "ada");

		expect([...a.seen, ...b.seen].filter((what) => what.startsWith("ended"))).toEqual([]);
	});

	test("nor where the other asks while the log-in's answer is on its way", async () => {
		const {a, b} = await twoTabs();
		const held = gate();
		world.server.hold = ({path}) => (path === "/login" ? held.passed : undefined);
		const login = a.client.fetch(world.server.url + "/login", {method: "POST"});
		await until(() => world.server.count("POST /login") === 1);
		await settle();
		const refusal = b.client.set({a: 1}).catch((caught) => caught);
		await new Promise((resolve) => setTimeout(resolve, 200));
		held.open();
		await login;

		expect(await refusal).toMatchObject({code: "session-ended", endReason: "replaced"});
		expect(b.client.state).toMatchObject({status: "active", userId: "ada"});
		expect([...a.seen, ...b.seen].filter((what) => what.startsWith("ended"))).toEqual([]);
	});

	test("a session that was replaced by nobody here did end", async () => {
		const {a, b} = await twoTabs();
		world.server.end([...world.server.sessions.values()][0]!, "replaced");
		await a.client.refresh();
		await until(() => b.seen.includes("ended replaced"));

		expect(a.seen.filter((what) => what === "ended replaced")).toHaveLength(1);
	});

	test("a late older answer changes nothing in any tab", async () => {
		const {a, b} = await twoTabs();
		const held = gate();
		world.server.hold = ({method}) => (method === "GET" ? held.passed : undefined);
		const late = a.client.refresh();
		await until(() => world.server.log.at(-1)?.method === "GET");
		await b.client.set({n: 2});
		await until(() => a.client.state.data.n === 2);
		held.open();
		await late;
		await settle();

		expect(a.client.state.data).toEqual({n: 2});
		expect(b.client.state.data).toEqual({n: 2});
	});

	test("a late answer from before a logout brings nothing back", async () => {
		const {a, b} = await twoTabs();
		const held = gate();
		world.server.hold = ({method}) => (method === "PATCH" ? held.passed : undefined);
		const late = a.client.set({n: 1});
		await until(() => world.server.log.at(-1)?.method === "PATCH");
		await b.client.logout();
		held.open();
		await late;
		await settle();

		expect([a.client.state.status, b.client.state.status]).toEqual(["ended", "ended"]);
	});

	test("a tab that asked before a session was there, and is answered after, does not talk the others out of it", async () => {
		const jar = cookieJar();
		const held = gate();
		let isHeld = false;
		world.server.delay = () => {
			if (isHeld) return;
			isHeld = true;
			return held.passed;
		};
		const b = openTab(world.server, {transport: jar.transport});
		await until(() => isHeld);
		const a = openTab(world.server, {transport: jar.transport});
		await a.client.start();
		held.open();
		await settle();
		await until(() => b.client.state.status === "active");

		expect(a.client.state.status).toBe("active");
		expect([...a.seen, ...b.seen].filter((what) => what.startsWith("ended"))).toEqual([]);
	});

	test("nor where its answer comes before that of the start", async () => {
		const jar = cookieJar();
		const held = gate();
		world.server.hold = ({path}) => (path.endsWith("start") ? held.passed : undefined);
		const a = openTab(world.server, {transport: jar.transport});
		await until(() => a.client.state.status === "none");
		const start = a.client.start();
		await until(() => world.server.count("POST /session/start") === 1);
		await new Promise((resolve) => setTimeout(resolve, 5));
		const b = openTab(world.server, {transport: jar.transport});
		await until(() => b.client.state.status === "none");
		held.open();
		await start;
		await until(() => b.client.state.status === "active");

		expect(a.client.state.status).toBe("active");
	});

	test("the cookies deleted, all tabs come to know", async () => {
		const {a, b, jar} = await twoTabs();
		jar.cookie = "";
		await a.client.refresh();
		await new Promise((resolve) => setTimeout(resolve, 2_500));

		expect([a.seen.at(-1), b.seen.at(-1)]).toEqual(["ended null", "ended null"]);
	});

	test("two tabs that start at once share one session", async () => {
		const jar = cookieJar();
		const a = openTab(world.server, {transport: jar.transport});
		const b = openTab(world.server, {transport: jar.transport});
		await Promise.all([a.client.start(), b.client.start()]);

		expect(world.server.sessions.size).toBe(1);
	});

	test("a new tab that cannot reach the server asks the others", async () => {
		const {a, jar} = await twoTabs();
		world.server.fault = () => "drop";
		const c = openTab(world.server, {transport: jar.transport, retries: 0});
		await until(() => c.client.state.status === "active");

		expect(c.client.state).toEqual(a.client.state);
		expect(c.errors).toMatchObject([{code: "network"}]);
	});

	test("clients of other urls, and of other storages, are strangers", async () => {
		const {a} = await twoTabs();
		const other = openTab(world.server, {url: world.server.url + "/elsewhere", transport: cookieJar().transport});
		const memory = openTab(world.server, {storage: "memory"});
		const memoryToo = openTab(world.server, {storage: "memory"});
		await memory.client.start();
		await a.client.set({n: 1});
		await settle();

		expect(other.client.state.status).toBe("loading");
		expect(memory.client.state.data).toEqual({});
		expect(memoryToo.client.state.status).toBe("none");
	});
});

describe("without BroadcastChannel", () => {
	test("storage events carry the news, and nothing is left in storage", async () => {
		vi.stubGlobal("BroadcastChannel", undefined);
		const windows: ((key: string, value: string) => void)[] = [];
		const told: string[] = [];
		// Each tab has its own window; the browser tells all windows but the one that wrote.
		const openWindow = () => {
			const window = new EventTarget();
			vi.stubGlobal("addEventListener", window.addEventListener.bind(window));
			windows.push((key, newValue) => window.dispatchEvent(Object.assign(new Event("storage"), {key, newValue})));
		};
		const storage = webStorage((key, value) => {
			told.push(key);
			queueMicrotask(() => windows.forEach((tell) => tell(key, value)));
		});
		vi.stubGlobal("localStorage", storage);
		openWindow();
		const jar = cookieJar();
		const a = openTab(world.server, {transport: jar.transport});
		openWindow();
		const b = openTab(world.server, {transport: jar.transport});
		await a.client.start();
		await until(() => b.client.state.status === "active");
		await a.client.logout();
		await until(() => b.seen.includes("ended logout"));

		expect(told.length).toBeGreaterThan(0);
		expect(storage.length).toBe(0);
	});

	test("without storage either, a tab is alone and well", async () => {
		vi.stubGlobal("BroadcastChannel", undefined);
		vi.stubGlobal("localStorage", undefined);
		const {client} = openTab(world.server, {transport: cookieJar().transport});
		await client.start();

		expect(client.state.status).toBe("active");
	});
});

test("imported and created on a server, it does nothing until told", async () => {
	for (const name of ["location", "document", "navigator", "addEventListener"]) vi.stubGlobal(name, undefined);
	const {client} = openTab(world.server, {url: "/session"});
	await settle();
	expect(client.state.status).toBe("loading");
	expect(client.secondsLeft()).toBeNull();

	const absolute = openTab(world.server, {storage: "memory"});
	expect((await absolute.client.start()).status).toBe("active");
	expect(world.server.log).toHaveLength(1);
});
