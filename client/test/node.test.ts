import {execFile} from "node:child_process";
import {fileURLToPath} from "node:url";
import {promisify} from "node:util";
import {afterEach, beforeEach, expect, test} from "vitest";
import {TestServer} from "./server.js";

const built = fileURLToPath(new URL("../dist/index.js", import.meta.url));
let server: TestServer;

beforeEach(async () => void (server = await new TestServer().open()));
afterEach(() => server.close());

/** What a Node process prints that runs this module, when nothing is left for it to do. */
async function node(script: string): Promise<unknown> {
	const module = `
		import {createSessionClient} from ${JSON.stringify(built)};
		const url = ${JSON.stringify(server.url + "/session")};
		${script}`;
	const args = ["--input-type=module", "--eval", module];
	const {stdout} = await promisify(execFile)(process.execPath, args, {timeout: 20_000, killSignal: "SIGKILL"});
	return JSON.parse(stdout);
}

test("the clients of two users in one process know nothing of one another", async () => {
	const states = await node(`
		const carry = () => {
			let cookie = "";
			return async (request) => {
				if (cookie) request.headers.set("Cookie", cookie);
				const response = await fetch(request);
				for (const line of response.headers.getSetCookie()) cookie = line.split(";")[0];
				return response;
			};
		};
		const ada = createSessionClient({url, transport: carry()});
		const bob = createSessionClient({url, transport: carry()});
		const ids = [];
		ada.subscribe((state) => ids.push(state.id));
		await ada.start({name: "ada"});
		await bob.start({name: "bob"});
		await bob.set({n: 1});
		await new Promise((resolve) => setTimeout(resolve, 100));
		console.log(JSON.stringify([ids.length, ada.state.data, bob.state.data]));
	`);

	expect(states).toEqual([2, {name: "ada"}, {name: "bob", n: 1}]);
});

test("what is stored by name is not shared either", async () => {
	const states = await node(`
		globalThis.localStorage ??= {getItem() { throw new Error(); }, setItem() { throw new Error(); }};
		const ada = createSessionClient({url, storage: "local"});
		const bob = createSessionClient({url, storage: "local"});
		await ada.start({name: "ada"});
		await bob.refresh();
		console.log(JSON.stringify([ada.state.data, bob.state.status]));
	`);

	expect(states).toEqual([{name: "ada"}, "none"]);
});

test.each(["cookie", "local", "session", "memory"])("with storage %s nothing keeps a process alive", async (storage) => {
	const left = await node(`
		const client = createSessionClient({url, storage: ${JSON.stringify(storage)}, warnBefore: 590});
		const created = process.getActiveResourcesInfo();
		await client.start();
		await client.fetch(url.replace("/session", "/login"), {method: "POST"});
		const timers = process.getActiveResourcesInfo().filter((kind) => /Timeout|Message|Channel/.test(kind));
		console.log(JSON.stringify([created, timers, client.state.status]));
	`);

	expect(left).toEqual([[], [], "active"]);
});

test("it does nothing until told, and a relative url fails where it is called", async () => {
	const told = await node(`
		const client = createSessionClient({url: "/session", retries: 0});
		const before = [client.state.status, client.secondsLeft()];
		console.log(JSON.stringify([...before, await client.refresh().catch(({name, code}) => [name, code])]));
	`);

	expect(told).toEqual(["loading", null, ["SessionError", "network"]]);
	expect(server.log).toEqual([]);
});
