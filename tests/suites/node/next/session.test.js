// Route handlers of a built Next application, over HTTP.
const assert = require("node:assert/strict");
const {test} = require("node:test");

const {URL_OF_NEXT} = process.env;

function browser() {
	const jar = new Map();
	return async (path, init = {}) => {
		const cookie = [...jar].map((pair) => pair.join("=")).join("; ");
		const answer = await fetch(URL_OF_NEXT + path, {redirect: "manual", ...init, headers: {cookie, ...init.headers}});
		for (const text of answer.headers.getSetCookie()) {
			const [, name, value] = /^([^=]+)=([^;]*)/.exec(text);
			jar.set(name, value);
		}
		return answer;
	};
}

test("a route handler begins a session, and the next one finds it", async () => {
	const ada = browser();
	assert.deepEqual(await (await ada("/cart")).json(), {user: null, cart: []});
	const begun = await ada("/cart", {method: "POST"});
	assert.equal(begun.headers.get("cache-control"), "no-store");
	assert.match(begun.headers.getSetCookie()[0], /^__Host-session=sj1-/);
	await ada("/cart", {method: "POST"});

	assert.deepEqual(await (await ada("/cart")).json(), {user: null, cart: ["tea", "tea"]});
});

test("cookies that Next sets, and ours, are both told", async () => {
	const names = (await browser()("/cart")).headers.getSetCookie().map((text) => text.split("=")[0]);

	assert.deepEqual(names, ["theme"]);
});

test("a log-in answers with a redirect, and takes the cart along", async () => {
	const ada = browser();
	await ada("/cart", {method: "POST"});
	assert.equal((await ada("/login", {method: "POST"})).status, 303);

	assert.deepEqual(await (await ada("/cart")).json(), {user: "ada", cart: ["tea"]});
	assert.equal((await ada("/login")).status, 307);
});

test("another site's page is refused", async () => {
	const answer = await browser()("/cart", {method: "POST", headers: {origin: "https://evil.example"}});

	assert.deepEqual([answer.status, (await answer.json()).type], [403, "urn:sojourn:problem:cross-origin"]);
});
