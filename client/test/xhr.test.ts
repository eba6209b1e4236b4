import {beforeEach, expect, test, vi} from "vitest";
import {gate, openTab, until} from "./browser.js";
import {setUp} from "./setup.js";
import {FakeXhr} from "./xhr.js";

const world = setUp();

beforeEach(() => void vi.stubGlobal("XMLHttpRequest", FakeXhr));

const tab = (options = {}) => openTab(world.server, {transport: "xhr", storage: "memory", retries: 0, ...options});

test("the session's calls work as with fetch", async () => {
	const fetches = vi.spyOn(globalThis, "fetch");
	const {client, seen} = tab();
	FakeXhr.native = fetches.getMockImplementation() ?? fetch;
	await client.start({a: 1});
	await client.set({b: [1, "ä"]});
	await client.remove("a");
	expect((await client.touch()).data).toEqual({b: [1, "ä"]});
	await client.logout();

	expect(seen.at(-1)).toBe("ended logout");
	const {headers} = world.server.log.at(-1)!;
	expect(headers).toMatchObject({"sojourn-transport": "bearer"});
	expect(headers["content-type"]).toBeUndefined();
});

test("fetch gives a real Response", async () => {
	const {client} = tab();
	const response = await client.fetch(world.server.url + "/login", {method: "POST", body: '{"user":"eve"}', headers: {"X-A": "b"}});

	expect(response).toBeInstanceOf(Response);
	expect(response.url).toBe(world.server.url + "/login");
	expect(response.headers.get("content-type")).toBe("application/json");
	expect(await response.json()).toEqual({welcome: true});
	expect(world.server.log.find(({path}) => path === "/login")!.headers["x-a"]).toBe("b");
	expect(client.state.userId).toBe("eve");
});

test("an answer without a body", async () => {
	const {client} = tab();
	world.server.fault = ({path}) => (path === "/api" ? {status: 204} : undefined);
	expect((await client.fetch(world.server.url + "/api")).status).toBe(204);
});

test("errors of the network and of the server are told apart", async () => {
	const {client} = tab();
	await expect(client.touch()).rejects.toMatchObject({status: 401, code: "no-session"});
	world.server.fault = () => "drop";
	await expect(client.touch()).rejects.toMatchObject({status: 0, code: "network"});
});

test("a request can be abandoned", async () => {
	const {client} = tab();
	const held = gate();
	world.server.hold = ({path}) => (path === "/api" ? held.passed : undefined);
	const stop = new AbortController();
	const request = client.fetch(world.server.url + "/api", {signal: stop.signal});
	await until(() => world.server.count("GET /api") === 1);
	stop.abort();

	await expect(request).rejects.toMatchObject({name: "AbortError"});
	await expect(client.fetch(world.server.url + "/api", {signal: stop.signal})).rejects.toMatchObject({name: "AbortError"});
	held.open();
});
