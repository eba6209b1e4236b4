// The commit comes before the first byte, whichever call sends it.
import assert from "node:assert/strict";
import {once} from "node:events";
import {createReadStream} from "node:fs";
import {request} from "node:http";
import {Readable} from "node:stream";
import {pipeline} from "node:stream/promises";
import {after, before, beforeEach, describe, test} from "node:test";
import {fileURLToPath} from "node:url";
import {createGzip} from "node:zlib";
import {sojourn} from "sojourn-express";
import {startRelay, startService, until} from "./service.js";
import {closeAll, listen, problem, VERSIONS, visitor} from "./visitor.js";

let service;
let relay;
before(async () => {
	service = await startService();
	relay = await startRelay(service);
});
after(async () => {
	closeAll();
	relay.stop();
	await service.stop();
});

beforeEach(() => relay.clear());

const FILE = fileURLToPath(import.meta.url);
const LONG = "x".repeat(300_000);

/** What others do to a response: compression's way of taking it over, on-headers included. */
function compress(req, res, next) {
	const {writeHead, write, end} = res;
	const gzip = createGzip();
	let begun = false;
	let ended = false;
	gzip.on("data", (chunk) => write.call(res, chunk) === false && gzip.pause());
	gzip.on("end", () => end.call(res));
	gzip.on("drain", () => res.emit("drain"));
	res.on("drain", () => gzip.resume());
	res.writeHead = (...args) => {
		if (!begun) {
			begun = true;
			res.setHeader("Content-Encoding", "gzip");
			res.removeHeader("Content-Length");
		}
		return writeHead.apply(res, args);
	};
	res.write = (...args) => {
		if (!res._header) res._implicitHeader();
		return gzip.write(...args);
	};
	res.end = (...args) => {
		if (ended) return false;
		ended = true;
		if (!res._header) res._implicitHeader();
		return gzip.end(...args);
	};
	next();
}

const ANSWERS = {
	send: (req, res) => res.send(LONG),
	"json with a status": (req, res) => res.status(201).json({long: LONG}),
	redirect: (req, res) => res.redirect("/elsewhere"),
	end: (req, res) => res.end(LONG),
	"end with nothing": (req, res) => res.end(),
	"write and end": (req, res) => {
		res.write("a");
		res.write(Buffer.from("b"), () => res.end("c"));
	},
	"writeHead with an object": (req, res) => res.writeHead(202, "Taken", {"X-Mine": "1", "Set-Cookie": ["a=1", "b=2"], "Cache-Control": "public"}).end("ok"),
	"writeHead with a list": (req, res) => res.writeHead(202, ["X-Mine", "1", "Set-Cookie", "a=1"]).end("ok"),
	"setHeader, then writeHead": (req, res) => {
		res.setHeader("Set-Cookie", "old=1");
		res.writeHead(200, {"Set-Cookie": "a=1"});
		res.end("ok");
	},
	flushHeaders: (req, res) => {
		res.flushHeaders();
		setTimeout(() => res.end("late"), 5);
	},
	"a stream that waits for drain": (req, res) => pipeline(Readable.from(Array.from({length: 50}, () => LONG.slice(0, 9000))), res),
	"a pipe": (req, res) => createReadStream(FILE).pipe(res),
	"a file": (req, res) => res.sendFile(FILE),
	"an error page": (req, res, next) => next(Object.assign(new Error("mine"), {status: 418, stack: "mine"})),
	"a callback of end": (req, res) => res.end("done", () => (res.app.locals.done = true)),
};

for (const [version, express] of VERSIONS) {
	const serve = async (handler, ...more) => {
		const app = express();
		for (const middleware of more) app.use(middleware);
		app.use(sojourn({service: relay.url, key: service.key}));
		if (handler.after) app.use(handler.after);
		app.use(handler.handle ?? handler);
		return listen(app);
	};
	const changing = (answer) => (req, res, next) => {
		req.session.n = (req.session.n ?? 0) + 1;
		return answer(req, res, next);
	};

	describe(`${version}: the answer`, () => {
		for (const [name, answer] of Object.entries(ANSWERS)) {
			test(`${name}: the same as without a session, and the session is saved before it`, async () => {
				const app = express();
				app.use(answer);
				const plain = await visitor(await listen(app)).get("/");
				for (const order of [{handle: changing(answer)}, {handle: changing(answer), after: compress}]) {
					const ada = visitor(await serve(order));
					for (const count of [1, 2]) {
						relay.mode = "hold";
						const asked = ada.get("/");
						if (count === 2) await relay.release();
						await until(() => relay.held.length);
						assert.equal(await Promise.race([asked, new Promise((go) => setTimeout(go, 5, "held"))]), "held");
						await relay.release();
						const {status, body, headers} = await asked;
						const kept = (all) => Object.fromEntries([...all].filter(([name]) => /^(?:x-|location|content-type)/.test(name)));
						assert.deepEqual([status, body.length, kept(headers)], [plain.status, plain.body.length, kept(plain.headers)]);
						const cookies = headers.getSetCookie().filter((text) => !text.startsWith("__Host-session="));
						assert.deepEqual(cookies, plain.headers.getSetCookie());
						assert.equal(headers.get("cache-control"), count === 1 ? "no-store" : plain.headers.get("cache-control"));
						assert.equal((await service.open(ada.token)).session.data.n, count);
					}
					assert.equal(ada.told.filter((text) => text.startsWith("__Host-session=")).length, 1);
				}
			});

			test(`${name}: a problem takes its place, whole`, async () => {
				const {token, session} = (await service.commit({action: {type: "login", user_id: "ada"}})).body;
				for (const after of [undefined, compress]) {
					const url = await serve({
						after,
						async handle(req, res, next) {
							req.session.late = true;
							if (after === undefined) await service.revoke(session.id);
							// A pipeline is told that its stream was closed under it, as when a visitor leaves.
							await Promise.resolve(answer(req, res, next)).catch(() => {});
						},
					});
					const refused = await visitor(url, token).get("/");
					if (after === undefined) {
						assert.deepEqual(problem(refused), {status: 401, code: "session-ended", endReason: "revoked"});
						assert.deepEqual(refused.headers.getSetCookie(), []);
						assert.equal(refused.headers.get("location"), null);
					}
				}
			});
		}

		test("under a compression that wraps us, a problem is whole too", async () => {
			const {token, session} = (await service.commit({action: {type: "login", user_id: "ada"}})).body;
			const url = await serve({
				after: compress,
				async handle(req, res) {
					req.session.late = true;
					await service.revoke(session.id);
					res.send(LONG);
				},
			});

			assert.deepEqual(problem(await visitor(url, token).get("/")), {status: 401, code: "session-ended", endReason: "revoked"});
		});

		test("over a compression that we wrap, it arrives compressed", async () => {
			const url = await serve(changing(ANSWERS.send), compress);
			const ada = visitor(url);
			const answer = await ada.get("/");

			assert.equal(answer.headers.get("content-encoding"), "gzip");
			assert.equal(answer.body, LONG);
			assert.ok(ada.token);
		});

		test("while it waits, the handler meets what it would if the bytes were out", async () => {
			const met = {};
			const url = await serve((req, res) => {
				req.session.n = 1;
				met.before = [res.headersSent, res.writableEnded];
				met.write = res.write("a");
				met.between = [res.headersSent, res.writableEnded];
				res.statusCode = 500;
				assert.throws(() => res.setHeader("X-Late", "1"), {code: "ERR_HTTP_HEADERS_SENT"});
				assert.throws(() => res.set("X-Late", "1"), {code: "ERR_HTTP_HEADERS_SENT"});
				res.end();
				met.after = [res.headersSent, res.writableEnded];
			});
			const answer = await visitor(url).get("/");

			assert.deepEqual(met, {before: [false, false], write: false, between: [true, false], after: [true, true]});
			assert.deepEqual([answer.status, answer.body], [200, "a"]);
		});

		test("events streamed after the first byte can still save, but not begin a session", async () => {
			const url = await serve(async (req, res) => {
				res.type("text/event-stream").flushHeaders();
				req.session.seen = true;
				try {
					await req.session.save();
					res.end(`saved ${req.session.seen}`);
				} catch (error) {
					res.end(error.code);
				}
			});
			const {token} = (await service.commit({action: {type: "start"}})).body;

			assert.equal((await visitor(url).get("/")).body, "session-committed");
			assert.equal((await visitor(url, token).get("/")).body, "saved true");
			assert.equal((await service.open(token)).session.data.seen, true);
		});

		test("a handler that streams on after a problem writes into nothing", async () => {
			const {token, session} = (await service.commit({action: {type: "login", user_id: "ada"}})).body;
			let finished;
			const url = await serve((req, res) => {
				finished = service.revoke(session.id).then(() => {
					req.session.late = true;
					return pipeline(
						Readable.from(
							(async function* () {
								for (let n = 0; n < 100; n++) yield LONG.slice(0, 5000);
							})(),
						),
						res,
					);
				});
				finished.catch(() => {});
			});
			const refused = await visitor(url, token).get("/");

			assert.deepEqual(problem(refused), {status: 401, code: "session-ended", endReason: "revoked"});
			await finished.catch(() => {});
		});

		test("a visitor who left does not stop the commit", async () => {
			const {token} = (await service.commit({action: {type: "start"}})).body;
			let asked;
			const url = await serve(async (req, res) => {
				asked.destroy();
				await once(res, "close");
				req.session.kept = true;
				res.send("too late");
			});
			asked = request(url, {headers: {cookie: `__Host-session=${token}`}});
			asked.on("error", () => {}).end();
			await until(async () => (await service.open(token)).session.data.kept);
		});

		test("HEAD and 304 have no body and a saved session", async () => {
			const url = await serve(changing((req, res) => (req.path === "/304" ? res.status(304).end() : res.send("text"))));
			const ada = visitor(url);
			const head = await ada.get("/", {method: "HEAD"});
			const unchanged = await ada.get("/304");

			assert.deepEqual([head.status, head.body, head.headers.get("content-length")], [200, "", "4"]);
			assert.deepEqual([unchanged.status, unchanged.body], [304, ""]);
			assert.equal((await service.open(ada.token)).session.data.n, 2);
		});
	});
}
