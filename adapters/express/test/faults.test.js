// The service away, slow, restarted, or refusing: an answer in time, never "anonymous", and nothing lost that was told.
import assert from "node:assert/strict";
import {spawn} from "node:child_process";
import {once} from "node:events";
import {after, before, beforeEach, describe, test} from "node:test";
import {inspect} from "node:util";
import express4 from "express4";
import express5 from "express";
import {sojourn} from "sojourn-express";
import {FOREIGN, startRelay, startService, until} from "./service.js";
import {closeAll, listen, problem, VERSIONS, visitor} from "./visitor.js";

let service;
let relay;
const warnings = [];
const listenToWarnings = (warning) => warnings.push(warning);
before(async () => {
	service = await startService();
	relay = await startRelay(service);
	process.on("warning", listenToWarnings);
});
after(async () => {
	process.off("warning", listenToWarnings);
	closeAll();
	relay.stop();
	await service.stop();
});
beforeEach(() => {
	relay.clear();
	warnings.length = 0;
});

const UNAVAILABLE = {status: 503, code: "store-unavailable"};
// For what is to be given up; a busy machine may take longer for any answer.
const HASTY = {timeout: 300};
const wellAgain = (who) =>
	until(async () => {
		const answer = await who.get("/read");
		return answer.status === 200 && answer;
	});

function counter(express, more) {
	const app = express();
	app.use(sojourn({service: relay.url, key: service.key, timeout: 30_000, ...more}));
	app.get("/read", (req, res) => res.json([req.session.userId, {...req.session}]));
	app.get("/plain", (req, res) => res.send("plain"));
	app.get("/save", (req, res, next) => {
		req.session.increment("n");
		req.session.save().then(() => res.send("saved"), next);
	});
	app.get("/catch", async (req, res) => {
		req.session.increment("n");
		await req.session.save().catch(() => {});
		res.send("all the same");
	});
	app.get("/forget", (req, res) => {
		req.session.increment("n");
		req.session.save();
		setTimeout(() => res.send("saved, I think"), 2300); // when the save has failed
	});
	app.use((req, res) => {
		req.session.increment("n");
		res.send("added");
	});
	return listen(app);
}

for (const [version, express] of VERSIONS) {
	describe(`${version}: the service`, () => {
		const start = async () => (await service.commit({changes: {n: {value: 0}}, action: {type: "login", user_id: "ada"}})).body.token;

		for (const mode of ["hang", "reset", "gateway", "nonsense"]) {
			test(`${mode}: 503 in time, at the open and at the commit, and well again after it`, async () => {
				const token = await start();
				const url = await counter(express, mode === "hang" && HASTY);
				const ada = visitor(url, token);
				relay.mode = mode;
				const begun = performance.now();
				const answers = await Promise.all([[ada, "/read"], [ada, "/"], [visitor(url), "/"]].map(([who, path]) => who.get(path)));
				for (const answer of answers) {
					assert.deepEqual(problem(answer), UNAVAILABLE);
					assert.equal(answer.headers.get("retry-after"), "2");
				}
				assert.ok(performance.now() - begun < 10_000);
				assert.equal((await visitor(url).get("/plain")).status, 200);
				relay.mode = "pass";
				assert.deepEqual((await wellAgain(ada)).json(), ["ada", {n: 0}]);
				assert.deepEqual(ada.told, []);
			});
		}

		for (const mode of ["chunked", "dribble", "close"]) {
			test(`an answer that comes ${mode} is read`, async () => {
				const ada = visitor(await counter(express), await start());
				relay.mode = mode;
				for (let n = 0; n < 3; n++) assert.equal((await ada.get("/")).body, "added");
				assert.deepEqual((await ada.get("/read")).json(), ["ada", {n: 3}]);
			});
		}

		test("a slow one: the answer to a call that was given up is nobody else's", async () => {
			const url = await counter(express, HASTY);
			const [ada, bob] = [visitor(url, await start()), visitor(url, (await service.commit({action: {type: "login", user_id: "bob"}})).body.token)];
			relay.mode = "hold";
			assert.deepEqual(problem(await ada.get("/read")), UNAVAILABLE);
			relay.clear();
			const answers = await Promise.all([ada, bob, ada, bob].map(wellAgain));

			assert.deepEqual(answers.map((answer) => answer.json()[0]), ["ada", "bob", "ada", "bob"]);
		});

		test("a kept connection that was closed meanwhile: an open is sent again, a commit never", async () => {
			const ada = visitor(await counter(express), await start());
			await ada.get("/read");
			relay.clear("reset once");
			assert.equal((await ada.get("/read")).status, 200);
			assert.deepEqual(relay.calls, ["/v1/open", "/v1/open"]);
			relay.clear("lose commits");
			assert.deepEqual(problem(await ada.get("/")), UNAVAILABLE);
			assert.deepEqual(relay.calls, ["/v1/open", "/v1/commit"]);
			relay.mode = "pass";
			assert.deepEqual((await ada.get("/read")).json(), ["ada", {n: 1}]);
			relay.hangUp();
			assert.equal((await ada.get("/read")).status, 200);
		});

		test("a failed save is told to who waits for it, and a whole request waits once", async () => {
			const ada = visitor(await counter(express, {timeout: 2000}), await start());
			relay.clear("hang commits");
			const begun = performance.now();
			const answers = await Promise.all(["/save", "/forget", "/catch"].map((path) => ada.get(path)));

			assert.deepEqual(answers.map(({status}) => status), [503, 503, 200]);
			assert.ok(performance.now() - begun < 20_000);
			assert.deepEqual(relay.carried().map(({name}) => name).toSorted(), [...Array(3).fill("commit"), ...Array(3).fill("open")]);
		});

		test("200 at once go over 64 connections, and these are kept", async () => {
			const ada = visitor(await counter(express), await start());
			relay.hangUp();
			relay.mode = "hold";
			const asked = Array.from({length: 200}, () => ada.get("/read"));
			await until(() => relay.held.length === 64);
			await new Promise((resolve) => setTimeout(resolve, 50));
			assert.equal(relay.calls.length, 64);
			relay.clear();
			const answers = await Promise.all(asked);

			assert.ok(answers.every(({status}) => status === 200));
			assert.equal(await relay.connections(), 64);
		});

		test("killed and started again under load: 503 or done, and what was told done is there", async () => {
			const ada = visitor(await counter(express, {service: service.url, timeout: 2000}), await start());
			let done = 0;
			const seen = new Set();
			let going = true;
			const load = Promise.all(
				Array.from({length: 8}, async () => {
					while (going) {
						const {status} = await ada.get("/");
						seen.add(status);
						if (status === 200) done++;
					}
				}),
			);
			await until(() => done > 20);
			await service.kill();
			await until(() => seen.has(503));
			await service.start();
			const before = done;
			await until(() => done > before + 20);
			going = false;
			await load;
			const [user, {n}] = (await ada.get("/read")).json();

			assert.deepEqual([...seen].sort(), [200, 503]);
			assert.equal(user, "ada");
			assert.ok(n >= done && n <= done + 8, `${done} told, ${n} there`);
		});

		test("an outage and its end are told once, to who runs it, and name no token", async () => {
			const ada = visitor(await counter(express), await start());
			relay.mode = "reset";
			for (let n = 0; n < 5; n++) await ada.get("/read");
			relay.mode = "pass";
			for (let n = 0; n < 5; n++) await ada.get("/read");
			const told = warnings.filter(({name}) => name === "SojournWarning").map(({message}) => message);

			assert.equal(told.length, 2);
			assert.match(told[0], /did not answer: .*\. Requests with a session get 503 until it does\.$/);
			assert.match(told[1], /answers again\.$/);
		});

		test("a key that it refuses is a mistake to be seen, and no visitor's sign-out", async () => {
			const keys = {
				"api-key-refused": service.key.slice(0, -1) + (service.key.endsWith("0") ? "1" : "0"),
				"api-key-scope": service.adminKey,
			};
			for (const [code, key] of Object.entries(keys)) {
				const app = express();
				app.use(sojourn({service: service.url, key}));
				app.use((req, res) => res.send("never"));
				let failed;
				app.use((error, req, res, next) => {
					failed = error;
					res.status(error.status).end();
				});
				const answer = await visitor(await listen(app), FOREIGN).get("/");

				assert.deepEqual([answer.status, failed.code, failed.problem], [500, code, null]);
				assert.match(failed.message, new RegExp(`^The session service refused what it was sent \\(${code}\\): `));
				assert.ok(!inspect(failed, {showHidden: true, depth: 9}).includes(key.slice(14)));
			}
		});

		test("a cookie of another name at the service is a mistake to be seen", async () => {
			const ada = visitor(await counter(express, {service: service.url, cookieName: "sid"}));

			assert.deepEqual(problem(await ada.get("/")), {status: 500, code: "session-not-kept"});
			assert.match(warnings.at(-1).message, /The service's cookie is "__Host-session", and this adapter reads "sid"/);
			assert.deepEqual(ada.told, []);
		});
	});
}

test("over a unix socket it is the same", async () => {
	const local = await startService({socket: true});
	const ada = visitor(await counter(express5, {service: local.url, key: local.key}));
	for (let n = 0; n < 3; n++) assert.equal((await ada.get("/")).body, "added");

	assert.deepEqual((await ada.get("/read")).json(), [null, {n: 3}]);
	await local.stop();
	assert.deepEqual(problem(await ada.get("/read")), UNAVAILABLE);
});

test("a wrong setting is refused when the application starts, without showing a secret", () => {
	const good = {service: "http://127.0.0.1:8100", key: service.key};
	const wrong = [
		{key: undefined},
		{key: ""},
		{key: FOREIGN},
		{key: service.key + "0"},
		{service: undefined},
		{service: "127.0.0.1:8100"},
		{service: "ftp://127.0.0.1"},
		{service: "http://user:secret@127.0.0.1"},
		{service: "unix:"},
		{timeout: 0},
		{timeout: "2s"},
		{timeout: Infinity},
		{trustedOrigins: "https://app.example.com"},
		{trustedOrigins: ["https://app.example.com/"]},
		{trustedOrigins: ["https://app.example.com:443"]},
		{trustedOrigins: ["null"]},
		{trustedOrigins: ["capacitor://localhost/"]},
		{crossSitePaths: "/auth/callback"},
		{crossSitePaths: ["auth/callback"]},
		{crossSitePaths: ["/auth/callback?state=1"]},
		{crossSitePaths: [/^.auth/]},
		{service: "http://10.0.0.5:8100"},
		{service: "http://sessions.internal"},
		{service: "http://127.0.0.1.evil.example"},
		{service: "http://localhost.evil.example"},
		{cookieName: "a b"},
	];
	for (const more of wrong) {
		assert.throws(
			() => sojourn({...good, ...more}),
			(error) => {
				assert.equal(error.code, "configuration", inspect(more));
				assert.ok(!error.stack.includes("secret@") && !error.stack.includes(service.key.slice(14)) && !error.stack.includes(FOREIGN), error.message);
				return true;
			},
		);
	}
	for (const address of ["https://sessions.internal/base/", "http://[::1]:8100", "http://app.localhost", "http://127.1.2.3", "unix:/run/s.sock", "unix:///run/s.sock"]) {
		sojourn({...good, service: address});
	}
	sojourn({...good, service: "http://sessions.internal", dangerouslyAllowPlainHttp: true});
});

test("no token and no key is in a log, a warning or what is printed of a session", async () => {
	const printed = [];
	const serve = (timeout) => {
		const app = express4();
		app.use(sojourn({service: relay.url, key: service.key, timeout}));
		app.use(async (req, res, next) => {
			if (req.path === "/login") await req.session.login("ada").catch(next);
			printed.push(inspect(req.session, {showHidden: true, depth: 20, getters: true}), JSON.stringify(req.session));
			req.session.increment("n");
			res.end();
		});
		app.use((error, req, res, next) => {
			printed.push(inspect(error, {showHidden: true, depth: 20}), error.stack);
			res.end();
		});
		return listen(app);
	};
	const [patient, hasty] = [await serve(30_000), await serve(HASTY.timeout)];
	const ada = visitor(patient);
	const tokens = new Set([FOREIGN]);
	for (const mode of ["pass", "hang", "reset", "gateway", "nonsense", "pass"]) {
		relay.mode = mode;
		const url = mode === "hang" ? hasty : patient;
		await (url === hasty ? visitor(hasty, ada.token) : ada).get("/login");
		await visitor(url, FOREIGN).get("/");
		if (ada.token) tokens.add(ada.token);
	}
	const all = [...printed, ...warnings.map((warning) => inspect(warning, {showHidden: true, depth: 20})), service.log()].join("\n");

	assert.ok(tokens.size > 2 && warnings.length > 1 && service.log().length > 100);
	for (const secret of [...[...tokens].map((token) => token.slice(37)), service.key.slice(14)]) assert.ok(!all.includes(secret));
});

test("idle connections keep no process alive", async () => {
	const code = `
		import {sojourn} from "sojourn-express";
		const req = {method: "GET", headers: {cookie: "__Host-session=${FOREIGN}"}};
		sojourn({service: ${JSON.stringify(service.url)}, key: process.env.KEY})(req, {}, (error) => console.log(error ?? "opened"));`;
	const begun = performance.now();
	const child = spawn(process.execPath, ["--input-type=module", "-e", code], {
		cwd: new URL("..", import.meta.url),
		env: {...process.env, KEY: service.key},
		stdio: ["ignore", "pipe", "inherit"],
	});
	const [out] = await Promise.all([child.stdout.setEncoding("utf8").toArray(), once(child, "exit")]);

	assert.equal(out.join(""), "opened\n");
	assert.ok(performance.now() - begun < 60_000);
});
