// Requests that another site's page sends with the visitor's cookie.
import assert from "node:assert/strict";
import {once} from "node:events";
import {request} from "node:http";
import {after, before, describe, test} from "node:test";
import {sojourn} from "sojourn-express";
import {startService} from "./service.js";
import {closeAll, listen, problem, VERSIONS} from "./visitor.js";

let service;
before(async () => {
	service = await startService();
});
after(async () => {
	closeAll();
	await service.stop();
});

for (const [version, express] of VERSIONS) {
	const serve = async (more) => {
		const app = express();
		app.use(sojourn({service: service.url, key: service.key, trustedOrigins: ["https://app.example.com", "capacitor://localhost", "chrome-extension://abcdefghijklmnop"], crossSitePaths: ["/auth/callback"], ...more}));
		app.use((req, res) => {
			req.session.n = 1;
			res.send("done");
		});
		return listen(app);
	};

	/** fetch may not set these headers, node:http may. */
	async function send(url, method, headers) {
		const asked = request(url, {method, headers, agent: false}).end();
		const [answer] = await once(asked, "response");
		let body = "";
		for await (const chunk of answer.setEncoding("utf8")) body += chunk;
		return {status: answer.statusCode, headers: new Headers(answer.headers), body, json: () => JSON.parse(body)};
	}

	describe(`${version}: a request`, () => {
		const allowed = [
			["that is safe, from anywhere", "GET", {"sec-fetch-site": "cross-site", origin: "https://evil.example"}],
			["of no browser", "POST", {}],
			["from the same origin", "POST", {"sec-fetch-site": "same-origin"}],
			["that the user typed", "POST", {"sec-fetch-site": "none"}],
			["from a named origin", "POST", {"sec-fetch-site": "cross-site", origin: "https://app.example.com"}],
			["of an older browser, from the same host", "POST", {origin: "http://HOST"}],
			["of an older browser behind TLS", "POST", {origin: "https://HOST"}],
			["from the same host, whose proxy says TLS's port", "POST", {origin: "https://shop.example", host: "shop.example:443"}],
			["from the same host, whose proxy says the port of http", "POST", {origin: "http://shop.example", host: "Shop.example:80"}],
			["from an application's own scheme", "POST", {"sec-fetch-site": "cross-site", origin: "capacitor://localhost"}],
			["from a named extension", "POST", {"sec-fetch-site": "none", origin: "chrome-extension://abcdefghijklmnop"}],
			["to a path that is open to other sites", "POST", {"sec-fetch-site": "cross-site", origin: "https://login.example"}, "/auth/callback"],
			["to such a path, with a query", "POST", {origin: "null"}, "/auth/callback?state=1"],
		];
		const refused = [
			["from another site", "POST", {"sec-fetch-site": "cross-site"}],
			["from a sibling", "POST", {"sec-fetch-site": "same-site"}],
			["from another site, to delete", "DELETE", {"sec-fetch-site": "cross-site"}],
			["of a method that nobody knows", "PURGE", {"sec-fetch-site": "cross-site"}],
			["of an older browser, from another host", "POST", {origin: "https://evil.example"}],
			["of an older browser, from nowhere", "POST", {origin: "null"}],
			["from another port", "POST", {origin: "http://127.0.0.1:1"}],
			["from the other scheme's port", "POST", {origin: "https://shop.example", host: "shop.example:80"}],
			["from a port that merely begins like it", "POST", {origin: "https://shop.example:4430", host: "shop.example:443"}],
			["from an application's scheme that is not named", "POST", {origin: "tauri://localhost"}],
			["to a path below one that is open", "POST", {"sec-fetch-site": "cross-site"}, "/auth/callback/more"],
			["to one that differs by a slash", "POST", {"sec-fetch-site": "cross-site"}, "/auth/callback/"],
			["to one that differs by case", "POST", {"sec-fetch-site": "cross-site"}, "/Auth/callback"],
			["to one that is spelled otherwise", "POST", {"sec-fetch-site": "cross-site"}, "/auth/%63allback"],
			["with such a path in the query", "POST", {"sec-fetch-site": "cross-site"}, "/?/auth/callback"],
			["for a WebSocket at such a path", "GET", {upgrade: "h2c", origin: "https://evil.example"}, "/auth/callback"],
			["whose Sec-Fetch-Site says more than Origin", "POST", {origin: "http://HOST", "sec-fetch-site": "cross-site"}],
			["for a WebSocket, from another host", "GET", {upgrade: "h2c", "sec-fetch-site": "same-origin", origin: "https://evil.example"}],
		];
		for (const [cases, status] of [
			[allowed, 200],
			[refused, 403],
		]) {
			for (const [what, method, headers, path = "/"] of cases) {
				test(`${what}: ${status}`, async () => {
					const url = await serve();
					const own = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, value.replace("HOST", new URL(url).host)]));
					const answer = await send(url + path, method, own);

					assert.equal(answer.status, status);
					if (status === 403) assert.deepEqual(problem(answer), {status: 403, code: "cross-origin"});
				});
			}
		}

		test("whose page hides its origin is told what can be done about it", async () => {
			const {detail} = (await send(await serve(), "POST", {origin: "null"})).json();

			assert.match(detail, /Referrer-Policy: same-origin/);
			assert.doesNotMatch(detail, /trustedOrigins/);
		});

		test("to a path that is open is judged by the path that the browser asked for, wherever a router is mounted", async () => {
			const app = express();
			const router = express.Router();
			router.use(sojourn({service: service.url, key: service.key, crossSitePaths: ["/auth/callback"]}));
			router.post("/callback", (req, res) => res.send("in"));
			app.use("/auth", router).use("/other", router);
			const url = await listen(app);

			assert.equal((await send(url + "/auth/callback", "POST", {"sec-fetch-site": "cross-site"})).status, 200);
			assert.equal((await send(url + "/other/callback", "POST", {"sec-fetch-site": "cross-site"})).status, 403);
		});

		test("from another site is let through where the check is switched off", async () => {
			const url = await serve({dangerouslyAllowCrossOrigin: true});

			assert.equal((await send(url, "POST", {"sec-fetch-site": "cross-site"})).status, 200);
		});

		test("for a WebSocket gets its session, and one from elsewhere an error", async () => {
			const {token} = (await service.commit({action: {type: "login", user_id: "ada"}})).body;
			const middleware = sojourn({service: service.url, key: service.key});
			const shake = (origin) => {
				const req = {method: "GET", headers: {upgrade: "websocket", host: "a.example", origin, cookie: `__Host-session=${token}`}};
				return new Promise((resolve) => middleware(req, {}, (error) => resolve(error?.code ?? req.session)));
			};

			const session = await shake("https://a.example");
			assert.equal(session.userId, "ada");
			session.socket = "open";
			await session.save();
			assert.equal((await service.open(token)).session.data.socket, "open");
			assert.equal(await shake("https://evil.example"), "cross-origin");
		});
	});
}
