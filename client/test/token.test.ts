import {beforeEach, describe, expect, test, vi} from "vitest";
import {gate, openTab, settle, until, webStorage} from "./browser.js";
import {setUp} from "./setup.js";
import {TestServer} from "./server.js";

const world = setUp();
let storage: Storage;
const key = () => `sojourn:${world.server.url}/session:local`;

beforeEach(() => {
	storage = webStorage();
	vi.stubGlobal("localStorage", storage);
});

function localTab() {
	return openTab(world.server, {storage: "local", retries: 0});
}

describe("kept and shown", () => {
	test("the token is sent with every call, and no cookie", async () => {
		const {client} = localTab();
		await client.start();
		const token = storage.getItem(key());
		await client.touch();

		expect(token).toMatch(/^sj1-[0-9a-f]{32}-[0-9a-f]{64}$/);
		const last = world.server.log.at(-1)!.headers;
		expect(last).toMatchObject({authorization: `Bearer ${token}`, "sojourn-transport": "bearer"});
	});

	test("a log-in through fetch takes up the new token, in all tabs", async () => {
		const a = localTab();
		const b = localTab();
		await a.client.start();
		const before = storage.getItem(key());
		await a.client.fetch(world.server.url + "/login", {method: "POST"});
		await until(() => b.client.state.userId === "ada");

		expect(storage.getItem(key())).not.toBe(before);
		await b.client.set({n: 1});
		expect(a.seen.concat(b.seen).filter((what) => what.startsWith("ended"))).toEqual([]);
	});

	test("the application's requests leave same-origin cookies out too, unless they ask for them", async () => {
		const credentials: string[] = [];
		const transport = (request: Request) => (credentials.push(request.credentials), fetch(request));
		const {client} = openTab(world.server, {storage: "memory", transport});
		await client.fetch(world.server.url + "/api");
		await client.fetch(world.server.url + "/api", {credentials: "include"});
		expect(credentials).toEqual(["omit", "omit", "include"]);

		const cookie = openTab(world.server, {transport});
		await cookie.client.fetch(world.server.url + "/api");
		expect(credentials.slice(3)).toEqual(["same-origin", "same-origin"]);
	});

	test("a rotated token replaces the old one", async () => {
		const {client} = localTab();
		await client.start();
		const before = storage.getItem(key());
		world.server.mustRotate = true;
		await client.refresh();

		expect(storage.getItem(key())).not.toBe(before);
		expect(storage.getItem(key())!.slice(0, 36)).toBe(before!.slice(0, 36));
	});

	test("logging out drops it", async () => {
		const {client} = localTab();
		await client.start();
		await client.logout();

		expect(storage.getItem(key())).toBeNull();
	});

	test("what is no token is not stored", async () => {
		const {client} = localTab();
		world.server.fault = () => ({status: 200, headers: {"Sojourn-Token": "<script>"}, body: world.server.state(undefined)});
		await client.refresh();

		expect(storage.length).toBe(0);
	});

	test("session storage and memory are the tab's own", async () => {
		vi.stubGlobal("sessionStorage", webStorage());
		const a = openTab(world.server, {storage: "session"});
		await a.client.start();
		expect(sessionStorage.length).toBe(1);
		const b = openTab(world.server, {storage: "memory"});
		await b.client.start();

		expect(storage.length).toBe(0);
		expect(a.client.state.id).not.toBe(b.client.state.id);
	});
});

describe("late answers", () => {
	test("one of an old session does not overwrite a newer log-in, nor its state", async () => {
		const {client} = localTab();
		await client.start();
		const held = gate();
		world.server.mustRotate = true;
		let isHeld = false;
		world.server.hold = ({method}) => {
			if (method !== "GET" || isHeld) return;
			isHeld = true;
			return held.passed;
		};
		const late = client.refresh();
		await until(() => isHeld);
		await settle();
		world.server.mustRotate = false;
		const other = localTab();
		await other.client.fetch(world.server.url + "/login", {method: "POST"});
		const token = storage.getItem(key());
		held.open();
		const state = await late;

		expect(storage.getItem(key())).toBe(token);
		expect(state).toMatchObject({status: "active", userId: "ada"});
	});

	test("one that says none does not drop a newer log-in", async () => {
		const {client} = localTab();
		await client.start();
		const held = gate();
		world.server.hold = ({path}) => (path.endsWith("logout") ? held.passed : undefined);
		const logout = client.logout();
		await until(() => world.server.count("POST /session/logout") === 1);
		await client.fetch(world.server.url + "/login", {method: "POST"});
		const token = storage.getItem(key());
		held.open();
		await logout;

		expect(storage.getItem(key())).toBe(token);
		expect(client.state).toMatchObject({status: "active", userId: "ada"});
	});

	test("a log-in that was sent before a rotation is taken", async () => {
		const {client} = localTab();
		await client.start();
		const held = gate();
		world.server.hold = ({path}) => (path === "/login" ? held.passed : undefined);
		const login = client.fetch(world.server.url + "/login", {method: "POST"});
		await until(() => world.server.count("POST /login") === 1);
		// As another tab would have got it in the meantime.
		storage.setItem(key(), storage.getItem(key())!.slice(0, 37) + "0".repeat(64));
		held.open();
		await login;

		expect(client.state.userId).toBe("ada");
	});

	test("an answer that started a session nobody asked for here any more is not believed", async () => {
		const {client} = localTab();
		await until(() => client.state.status === "none");
		const held = gate();
		let isHeld = false;
		world.server.hold = ({path}) => {
			if (!path.endsWith("start") || isHeld) return;
			isHeld = true;
			return held.passed;
		};
		vi.stubGlobal("navigator", {});
		const late = client.start();
		await until(() => isHeld);
		const kept = world.server.create({userId: "eve"});
		storage.setItem(key(), world.server.token(kept));
		held.open();

		expect((await late).userId).toBe("eve");
	});
});

describe("only to whom it belongs", () => {
	test("another origin sees no token and may set none, unless it is named", async () => {
		const other = await new TestServer().open();
		const {client} = localTab();
		await client.start();
		const token = storage.getItem(key());
		other.fault = () => ({status: 200, headers: {"Sojourn-Token": `sj1-${"0".repeat(32)}-${"0".repeat(64)}`}, body: {}});
		await client.fetch(other.url + "/api", {method: "POST"});
		expect(other.log[0]!.headers.authorization).toBeUndefined();
		expect(other.log[0]!.headers["sojourn-transport"]).toBeUndefined();
		expect(storage.getItem(key())).toBe(token);

		const friend = openTab(world.server, {storage: "local", origins: [other.url]});
		await friend.client.fetch(other.url + "/api");
		expect(other.log[1]!.headers.authorization).toBe(`Bearer ${token}`);
		await other.close();
	});

	test("a redirect to another origin neither gets it nor plants one", async () => {
		const other = await new TestServer().open();
		const {client} = localTab();
		await client.start();
		const token = storage.getItem(key());
		world.server.fault = ({path}) => (path === "/away" ? {status: 302, headers: {Location: other.url + "/api"}} : undefined);
		other.fault = () => ({status: 200, headers: {"Sojourn-Token": `sj1-${token!.slice(4, 36)}-${"0".repeat(64)}`}, body: {}});
		await client.fetch(world.server.url + "/away");

		expect(other.log[0]!.headers.authorization).toBeUndefined();
		expect(storage.getItem(key())).toBe(token);
		await other.close();
	});
});

describe("storage that refuses", () => {
	test("it is replaced by memory, with an error event", async () => {
		vi.stubGlobal("localStorage", undefined);
		const {client, errors} = localTab();
		await client.start();
		await client.touch();

		expect(client.state.status).toBe("active");
		expect(errors).toHaveLength(1);
	});

	test("also when it is full", async () => {
		storage.setItem = () => {
			throw new Error("QuotaExceededError");
		};
		const a = localTab();
		const b = localTab();
		await a.client.start();
		await a.client.set({n: 1});
		await settle();

		expect(a.client.state.data).toEqual({n: 1});
		expect(a.errors).toMatchObject([{message: "QuotaExceededError"}]);
		expect(b.client.state.status).toBe("none");
	});
});
