import {describe, expect, test, vi} from "vitest";
import {isSessionError, SessionError} from "../src/index.js";
import {cookieJar, gate, openTab, settle, until} from "./browser.js";
import {setUp} from "./setup.js";

const world = setUp();

async function activeTab(options = {}) {
	const jar = cookieJar();
	const tab = openTab(world.server, {transport: jar.transport, ...options});
	await tab.client.start();
	return {...tab, jar};
}

describe("the calls", () => {
	test("a new client asks at once, passively, and tells its listeners", async () => {
		const {client, seen} = openTab(world.server, {transport: cookieJar().transport});
		expect(client.state.status).toBe("loading");
		await until(() => client.state.status === "none");

		expect(seen).toEqual(["loading", "none"]);
		expect(world.server.log.map(({method, path}) => method + path)).toEqual(["GET/session"]);
	});

	test("start, set, remove, touch and logout move the state", async () => {
		const {client, seen} = await activeTab();
		expect(client.state).toMatchObject({status: "active", userId: null, version: 1});
		expect(client.state.expiresAt).toBe(client.state.seenAt! + client.state.idleTimeout!);

		await client.set({theme: "dark", snake_case: {inner_key: 1}});
		expect(client.state.data).toEqual({theme: "dark", snake_case: {inner_key: 1}});
		expect((await client.remove("theme")).data).toEqual({snake_case: {inner_key: 1}});
		await client.touch();
		const last = await client.logout();

		expect(last).toMatchObject({status: "ended", endReason: "logout"});
		expect(seen.filter((what) => what.startsWith("ended "))).toEqual(["ended logout"]);
	});

	test("a second logout is no error and no second event", async () => {
		const {client, seen} = await activeTab();
		await Promise.all([client.logout(), client.logout()]);
		expect(world.server.count("POST /session/logout")).toBe(1);
		await client.logout();
		await client.refresh();

		expect(client.state.status).toBe("none");
		expect(seen.filter((what) => what.startsWith("ended "))).toEqual(["ended logout"]);
	});

	test("list, revoke and revokeOthers", async () => {
		const {client, jar} = await activeTab();
		await client.fetch(world.server.url + "/login", {method: "POST"});
		const one = world.server.create({userId: "ada"});
		world.server.create({userId: "ada"});

		const sessions = await client.list();
		expect(sessions).toHaveLength(3);
		expect(sessions.find(({id}) => id === one.id)).toMatchObject({current: false, device: "Chrome on Linux", createdAt: one.createdAt});
		expect(await client.revoke(one.id)).toBe(true);
		expect(await client.revoke(one.id)).toBe(false);
		expect(await client.revokeOthers()).toBe(1);
		expect(jar.cookie).not.toBe("");
	});

	test.each(["/session", "/session/"])("%s: the state is asked for with a slash, which no mount redirects", async (path) => {
		const asked: string[] = [];
		const {transport} = cookieJar();
		const {client} = openTab(world.server, {
			url: world.server.url + path,
			transport: (request) => {
				asked.push(new URL(request.url).pathname);
				return transport(request);
			},
		});
		await client.refresh();
		await client.start();

		expect(asked).toEqual(["/session/", "/session/start"]);
	});

	test("to revoke one's own session is to log out", async () => {
		const {client, seen} = await activeTab();
		expect(await client.revoke(client.state.id!)).toBe(true);
		expect(seen.at(-1)).toBe("ended logout");
	});

	test("methods need no this, and undo undoes", async () => {
		const {client, seen} = await activeTab();
		const {subscribe, set} = client;
		const got: unknown[] = [];
		const off = subscribe((state) => got.push(state.data.a));
		await set({a: 1});
		off();
		await set({a: 2});

		expect(got).toEqual([undefined, 1]);
		expect(seen.filter((what) => what === "active")).toHaveLength(3);
	});

	test("a listener that throws stops no other", async () => {
		const {client} = await activeTab();
		const thrown = vi.fn();
		process.once("uncaughtException", thrown);
		const listener = vi.fn();
		let isFirst = true;
		client.subscribe(() => {
			if (!isFirst) throw new Error("mine");
			isFirst = false;
		});
		client.subscribe(listener);
		const listeners = process.listeners("uncaughtException").slice(0, -1);
		for (const one of listeners) process.off("uncaughtException", one);
		await client.set({a: 1});
		await settle();
		for (const one of listeners) process.on("uncaughtException", one);

		expect(listener).toHaveBeenCalledTimes(2);
		expect(thrown).toHaveBeenCalledOnce();
	});

	test("an answer that changes nothing is not news", async () => {
		const {client, seen} = await activeTab();
		const before = [...seen];
		await client.refresh();

		expect(seen).toEqual(before);
	});

	test("after close everything is refused and nothing is heard", async () => {
		const {client, seen} = await activeTab();
		const held = gate();
		world.server.hold = () => held.passed;
		const pending = client.refresh();
		await until(() => world.server.count("GET /session") >= 2);
		client.close();
		held.open();

		await expect(pending).rejects.toMatchObject({code: "closed"});
		await expect(client.touch()).rejects.toMatchObject({code: "closed", status: 0});
		expect(seen.at(-1)).toBe("active");
	});
});

describe("one request of a kind at a time", () => {
	test("refresh, touch and list join the one in flight", async () => {
		const {client} = await activeTab();
		await settle();
		world.server.log = [];
		const {refresh, touch, list} = client;
		await Promise.all([refresh(), refresh(), refresh(), touch(), touch(), list(), list()]);

		expect(world.server.log).toHaveLength(3);
	});

	test("sets made during a PATCH go out together, in order, none lost", async () => {
		const {client} = await activeTab();
		const held = gate();
		world.server.hold = ({method}) => (method === "PATCH" ? held.passed : undefined);
		const all = [client.set({a: 1})];
		await until(() => world.server.count("PATCH /session") === 1);
		all.push(client.set({a: 2, b: 1}), client.remove("b"), client.set({c: 1}), client.set({c: 2}), client.set({b: 3}), client.remove("a"));
		held.open();
		await Promise.all(all);

		const patches = world.server.log.filter(({method}) => method === "PATCH").map(({body}) => body);
		expect(patches).toEqual([
			{set: {a: 1}, remove: []},
			{set: {b: 3, c: 2}, remove: ["a"]},
		]);
		expect(client.state.data).toEqual({b: 3, c: 2});
	});

	test("a refused write is its caller's matter; the next goes through", async () => {
		const {client} = await activeTab();
		const held = gate();
		world.server.hold = ({method}) => (method === "PATCH" ? held.passed : undefined);
		const bad = client.set({secret: 1});
		await until(() => world.server.count("PATCH /session") === 1);
		const good = client.set({a: 1});
		held.open();

		await expect(bad).rejects.toMatchObject({status: 403, code: "not-writable", detail: "it is not-writable"});
		expect((await good).data).toEqual({a: 1});
	});

	test("what is set is what it was when set", async () => {
		const {client} = await activeTab();
		const cart = ["x"];
		const done = client.set({cart});
		cart.push("y");

		expect((await done).data).toEqual({cart: ["x"]});
	});

	test("set waits for a start under way, and start for a set", async () => {
		const tab = openTab(world.server, {transport: cookieJar().transport});
		const [, , last] = await Promise.all([tab.client.start({a: 1}), tab.client.set({b: 2}), tab.client.start({c: 3})]);

		expect(last.data).toEqual({a: 1, b: 2, c: 3});
		expect(world.server.sessions.size).toBe(1);
	});

	test("two starts without data are one", async () => {
		const tab = openTab(world.server, {transport: cookieJar().transport});
		await Promise.all([tab.client.start(), tab.client.start()]);

		expect(world.server.count("POST /session/start")).toBe(1);
	});
});

describe("errors", () => {
	test("a 401 carries the reason and moves the state", async () => {
		const {client, seen} = await activeTab();
		world.server.end(world.server.sessions.get(client.state.id!)!, "revoked");
		const error: unknown = await client.set({a: 1}).catch((caught) => caught);

		expect(error).toBeInstanceOf(SessionError);
		expect(error).toMatchObject({status: 401, code: "session-ended", endReason: "revoked", name: "SessionError"});
		expect(client.state).toMatchObject({status: "ended", endReason: "revoked"});
		expect(seen.at(-1)).toBe("ended revoked");
	});

	test("without a session it is no-session", async () => {
		const tab = openTab(world.server, {transport: cookieJar().transport});
		await expect(tab.client.touch()).rejects.toMatchObject({status: 401, code: "no-session", endReason: null});
		expect(tab.client.state.status).toBe("none");
	});

	test("the guard works across realms and refuses others", () => {
		expect(isSessionError({name: "SessionError", code: "network", status: 0})).toBe(true);
		for (const other of [null, undefined, "x", new Error("x"), {code: "x"}]) expect(isSessionError(other)).toBe(false);
	});

	test("an answer that is not JSON, and an error that is not Sojourn's", async () => {
		const {client} = await activeTab();
		const odd = (status: number) => ({status, body: undefined, headers: {"Content-Type": "text/html"}});
		world.server.fault = () => odd(200);
		await expect(client.refresh()).rejects.toMatchObject({status: 200, code: "invalid-answer"});
		world.server.fault = () => odd(418);
		await expect(client.refresh()).rejects.toMatchObject({status: 418, code: "http"});
	});

	test("a session that was begun in place of an ended one still tells why that ended", async () => {
		const {client, seen} = await activeTab();
		world.server.end(world.server.sessions.get(client.state.id!)!, "revoked");
		await client.start({a: 1});

		expect(client.state).toMatchObject({status: "active", follows: "revoked"});
		expect(seen.slice(-2)).toEqual(["active", "ended revoked"]);
		await client.set({a: 2});
		expect(seen.filter((what) => what.startsWith("ended"))).toEqual(["ended revoked"]);
	});

	test("a session that disappears without a word ended for a reason unknown", async () => {
		const {client, seen, jar} = await activeTab();
		await client.touch();
		jar.cookie = "";
		await client.refresh();

		expect(seen.slice(-2)).toEqual(["none", "ended null"]);
	});
});

describe("fetch", () => {
	test("a log-in through it shows before it resolves", async () => {
		const {client} = await activeTab();
		const response = await client.fetch(world.server.url + "/login", {method: "POST", body: '{"user":"eve"}'});

		expect(await response.json()).toEqual({welcome: true});
		expect(client.state).toMatchObject({status: "active", userId: "eve"});
	});

	test("a GET asks nothing more", async () => {
		const {client} = await activeTab();
		await settle();
		world.server.log = [];
		await client.fetch(new URL(world.server.url + "/api"));

		expect(world.server.log).toHaveLength(1);
	});

	test("a 401 of the application's own makes it look", async () => {
		const {client, seen} = await activeTab();
		world.server.end(world.server.sessions.get(client.state.id!)!, "token_reuse");
		world.server.fault = ({path}) => (path === "/api" ? {status: 401} : undefined);
		await client.fetch(world.server.url + "/api");

		expect(seen.at(-1)).toBe("ended token_reuse");
	});

	test("a refresh that left before the log-in is not taken for one after it", async () => {
		const {client} = await activeTab();
		const held = gate();
		let isFirst = true;
		world.server.hold = ({method}) => {
			if (method !== "GET" || !isFirst) return;
			isFirst = false;
			return held.passed;
		};
		const early = client.refresh();
		await until(() => !isFirst);
		const login = client.fetch(world.server.url + "/login", {method: "POST"});
		await until(() => world.server.count("POST /login") === 1);
		await settle();
		held.open();
		await Promise.all([early, login]);

		expect(client.state.userId).toBe("ada");
	});
});
