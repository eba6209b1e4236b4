import assert from "node:assert/strict";
import {spawn} from "node:child_process";
import {once} from "node:events";
import {readFileSync} from "node:fs";
import {fileURLToPath} from "node:url";
import {test} from "node:test";
import {startService} from "./service.js";
import {visitor} from "./visitor.js";

test("the example: fill the cart, log in, log out", async (t) => {
	const service = await startService();
	t.after(() => service.stop());
	const shop = spawn(process.execPath, [fileURLToPath(new URL("../example/server.js", import.meta.url))], {
		env: {...process.env, PORT: "0", SOJOURN_SERVICE: service.url, SOJOURN_KEY: service.key},
		stdio: ["ignore", "pipe", "inherit"],
	});
	t.after(() => shop.kill());
	const [line] = await once(shop.stdout.setEncoding("utf8"), "data");
	const ada = visitor(line.trim());
	const send = (path, fields) => ada.post(path, {body: new URLSearchParams(fields)});
	const page = async () => (await ada.get("/")).body;

	assert.match(await page(), /Hello, whoever you are\. Additions so far: 0\./);
	await Promise.all([send("/cart", {what: "tea"}), send("/cart", {what: "spade"})]);
	await Promise.all([send("/cart", {what: "cup"}), send("/cart", {what: "spoon"})]);
	assert.equal((await send("/login", {name: "ada", password: "babbage"})).status, 401);
	const {token} = ada;
	assert.equal((await send("/login", {name: "ada", password: "lovelace"})).status, 303);
	assert.notEqual(ada.token, token);
	const shown = await page();
	assert.match(shown, /Hello ada\. Additions so far: 3\./);
	for (const what of ["tea", "cup", "spoon"]) assert.match(shown, new RegExp(`<li>${what}</li>`));

	const open = visitor(line.trim(), ada.token);
	assert.equal((await send("/logout")).status, 303);
	assert.match(await page(), /Hello, whoever you are\./);
	assert.match((await open.get("/")).body, /You were signed out: logout\./);
});

test("the README's first program", async (t) => {
	const service = await startService();
	t.after(() => service.stop());
	const [, program] = /```js\n(.*?)```/s.exec(readFileSync(new URL("../README.md", import.meta.url), "utf8"));
	const code = program
		.replace("http://127.0.0.1:8100", service.url)
		.replace("app.listen(3000)", 'const server = app.listen(0, "127.0.0.1", () => console.log(server.address().port))');
	const app = spawn(process.execPath, ["--input-type=module", "-e", code], {
		cwd: fileURLToPath(new URL("..", import.meta.url)),
		env: {...process.env, SOJOURN_KEY: service.key},
		stdio: ["ignore", "pipe", "inherit"],
	});
	t.after(() => app.kill());
	const [port] = await once(app.stdout.setEncoding("utf8"), "data");
	const ada = visitor(`http://127.0.0.1:${port.trim()}`);

	assert.deepEqual((await ada.get("/add/tea")).json(), {user: null, visits: 1, cart: ["tea"]});
	await ada.post("/login");
	assert.deepEqual((await ada.get("/add/cup")).json(), {user: "ada", visits: 2, cart: ["tea", "cup"]});
	await ada.post("/logout");
	assert.deepEqual((await ada.get("/add/tea")).json(), {user: null, visits: 1, cart: ["tea"]});
});
