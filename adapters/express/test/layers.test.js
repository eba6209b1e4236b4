// Answers of every shape, among the middleware that others put around them: the packages themselves, before us and after.
import assert from "node:assert/strict";
import {createHash} from "node:crypto";
import {once} from "node:events";
import {createReadStream, mkdtempSync, rmSync, writeFileSync} from "node:fs";
import {request} from "node:http";
import {tmpdir} from "node:os";
import {join} from "node:path";
import {after, before, describe, test} from "node:test";
import compression from "compression";
import cors from "cors";
import helmet from "helmet";
import morgan from "morgan";
import responseTime from "response-time";
import {sojourn} from "sojourn-express";
import {SojournStore} from "sojourn-express/store";
import {startService, until} from "./service.js";
import {closeAll, listen, problem, VERSIONS, visitor} from "./visitor.js";

let service;
let folder;
before(async () => {
	// Activity is due at every request: one that only reads waits for the service, too.
	service = await startService({config: "[policy]\ntouch_interval = 0\n"});
	folder = mkdtempSync(join(tmpdir(), "layers-"));
	for (const [name, size] of Object.entries({small: 1000, middle: 6000, large: 300_000})) writeFileSync(join(folder, name), text(size));
});
after(async () => {
	closeAll();
	rmSync(folder, {recursive: true});
	await service.stop();
});

const text = (size) => "0123456789abcdef".repeat(size / 16 + 1).slice(0, size);
const file = (name) => join(folder, name);

/** Writes as streams do: on a false it waits for drain, for which it listens from the start or from then on. */
async function write(res, chunks, early = false) {
	let go = () => {};
	if (early) res.on("drain", () => go());
	for (const chunk of chunks) {
		if (res.write(chunk)) continue;
		if (early) await new Promise((resolve) => (go = resolve));
		else await once(res, "drain");
	}
	res.end();
}

const SHAPES = {
	send: (req, res) => res.send(text(5000)),
	"send, too small to compress": (req, res) => res.send("ok"),
	json: (req, res) => res.status(201).json({long: text(5000)}),
	end: (req, res) => res.end(text(5000)),
	"end with nothing": (req, res) => res.end(),
	"writeHead and end": (req, res) => res.writeHead(202, {"Content-Type": "text/plain", "X-Mine": "1"}).end(text(2000)),
	"a small write": (req, res) => write(res.type("txt"), ["a"]),
	"writes that wait": (req, res) => write(res.type("txt"), [text(900), text(900), text(900)]),
	"large writes that wait": (req, res) => write(res.type("txt"), [text(100_000), text(100_000)]),
	"many writes that wait": (req, res) => write(res.type("txt"), Array(9).fill(text(60_000))),
	"writes that wait, and listened before": (req, res) => write(res.type("txt"), Array(5).fill(text(3000)), true),
	"a small file, piped": (req, res) => createReadStream(file("small")).pipe(res.type("txt")),
	"a file of some kilobytes, piped": (req, res) => createReadStream(file("middle")).pipe(res.type("txt")),
	"a large file, piped": (req, res) => createReadStream(file("large")).pipe(res.type("txt")),
	"a file that is sent": (req, res) => res.type("txt").sendFile(file("middle")),
	"a large file that is sent": (req, res) => res.type("txt").sendFile(file("large")),
	"a part of a file": (req, res) => {
		req.headers.range = "bytes=10-3000";
		res.type("txt").sendFile(file("large"));
	},
	flushHeaders: (req, res) => {
		res.type("txt").flushHeaders();
		setTimeout(() => res.end(text(3000)), 5);
	},
	redirect: (req, res) => res.redirect(303, "/elsewhere"),
	"not modified": (req, res) => res.status(304).end(),
	"an error page": (req, res, next) => next(Object.assign(new Error("mine"), {status: 418, stack: text(2000)})),
};

const logged = [];
const LAYERS = {
	compression: () => [compression()],
	"compression of everything": () => [compression({threshold: 0, chunkSize: 1024})],
	helmet: () => [helmet()],
	morgan: () => [morgan("combined", {stream: {write: (line) => logged.push(line)}})],
	"response-time": () => [responseTime()],
	"all of them": () => Object.entries(LAYERS).slice(0, 5).flatMap(([name, make]) => (name.includes("every") ? [] : make())).concat(cors()),
};

const KINDS = {
	sojourn: (options) => sojourn(options),
	SojournStore: (options) => new SojournStore(options).session({resave: false, saveUninitialized: false}),
};

/** As it came, decompressed, and what of its headers the answer's maker and the layers have said. */
async function answerOf(url, method, headers, isSplit) {
	const response = await fetch(url, {method, headers, redirect: "manual"});
	const ofOthers = /^(?:date|etag|last-modified|x-response-time|vary|cache-control|set-cookie|keep-alive)$/;
	// express-session writes an answer without a length in two pieces, whatever its store.
	const ofLength = /^(?:content-length|transfer-encoding)$/;
	const said = [...response.headers].filter(([name]) => !ofOthers.test(name) && !(isSplit && ofLength.test(name)));
	const body = await response.text();
	return {
		status: response.status,
		said: Object.fromEntries(said),
		body: [body.length, createHash("sha256").update(body).digest("hex")],
		isTimed: response.headers.has("x-response-time"),
		cookies: response.headers.getSetCookie(),
	};
}

for (const [version, express] of VERSIONS) {
	// Express 4 differs from 5 by its router, and the layers by what they do to an answer: there, all at once will do.
	// And our store is under express-session, which puts itself around an answer in the same way whatever the layer.
	const layers = Object.entries(LAYERS).filter(([name]) => version === "Express 5" || name === "all of them");

	for (const [name, shape] of Object.entries(SHAPES)) {
		test(`${version}: ${name}, under every layer and over it, as if we were not there`, async () => {
			for (const [layer, make] of layers) {
				const serve = (...layers) => {
					const app = express();
					for (const each of layers) app.use(each);
					app.use((req, res, next) => {
						if (req.session && req.query.set) req.session.n = (req.session.n ?? 0) + 1;
						return shape(req, res, next);
					});
					return listen(app);
				};
				const plain = await serve(...make());
				const asPlain = {};
				for (const method of ["GET", "HEAD"])
					for (const isSplit of [false, true]) asPlain[method + isSplit] = await answerOf(plain, method, {}, isSplit);
				for (const [kind, session] of layer === "all of them" ? Object.entries(KINDS) : [["sojourn", sojourn]]) {
					const ours = session({service: service.url, key: service.key});
					const isSplit = kind === "SojournStore";
					for (const order of [[...make(), ours], [ours, ...make()]]) {
						const url = await serve(...order);
						const what = `${layer}, ${kind}, ${order[0] === ours ? "before" : "behind"} it`;
						const {token} = (await service.commit({changes: {n: {value: 1}}})).body;
						const cookie = `__Host-session=${token}`;
						for (const method of ["GET", "HEAD"]) {
							const {cookies: _, ...expected} = asPlain[method + isSplit];
							const begun = await answerOf(url + "/?set=1", method, {});
							const given = /^__Host-session=(sj1-[^;]+)/.exec(begun.cookies[0])?.[1];
							assert.ok(given, `${what}, ${method}: no cookie`);
							assert.deepEqual((await service.open(given)).session.data, {n: 1}, what);
							for (const query of ["/", "/?set=1"]) {
								const {cookies, ...found} = await answerOf(url + query, method, {cookie}, isSplit);
								assert.deepEqual(found, expected, `${what}, ${method} ${query}`);
								assert.deepEqual(cookies, []);
							}
						}
						assert.equal((await service.open(token)).session.data.n, 3, what);
					}
				}
			}
			if (!/part/.test(name)) assert.ok(logged.every((line) => /" \d{3} (?:\d+|-) "/.test(line)), logged.at(-1));
			closeAll();
		});
	}

	describe(`${version}: behind compression and over it`, () => {
		const serve = (handler, order) => {
			const app = express();
			const ours = sojourn({service: service.url, key: service.key});
			for (const each of order === "behind" ? [compression(), ours] : [ours, compression()]) app.use(each);
			app.use(handler);
			return listen(app);
		};

		for (const order of ["behind", "before"]) {
			test(`${order} it, events arrive when they are flushed, not when the answer ends`, async () => {
				let finish;
				const url = await serve((req, res) => {
					req.session.n = 1;
					res.type("text/event-stream");
					res.write("data: 1\n\n");
					res.flush();
					finish = () => res.end("data: 2\n\n");
				}, order);
				const response = await fetch(url, {headers: {"accept-encoding": "gzip"}});
				assert.equal(response.headers.get("content-encoding"), "gzip");
				const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
				assert.equal((await reader.read()).value, "data: 1\n\n");
				finish();
				let rest = "";
				for (let part; !(part = await reader.read()).done; ) rest += part.value;

				assert.equal(rest, "data: 2\n\n");
			});

			test(`${order} it, a problem takes the place of a stream, and the stream comes to its end`, async () => {
				const {token, session} = (await service.commit({action: {type: "login", user_id: "ada"}})).body;
				let ended = false;
				const url = await serve(async (req, res) => {
					req.session.late = true;
					await service.revoke(session.id);
					// compression takes no listeners of "drain" along where an answer is over, and waits for nothing.
					await Promise.race([write(res.type("txt"), Array(8).fill(text(20_000))), once(res, "close")]);
					ended = true;
				}, order);

				assert.deepEqual(problem(await visitor(url, token).get("/")), {status: 401, code: "session-ended", endReason: "revoked"});
				await until(() => ended);
			});

			test(`${order} it, a visitor who leaves stops neither the commit nor the server`, async () => {
				const {token} = (await service.commit({action: {type: "start"}})).body;
				let asked;
				let begun;
				const url = await serve(async (req, res) => {
					begun = true;
					req.session.kept = true;
					res.type("txt");
					for (let n = 0; n < 8 && !res.destroyed; n++) {
						if (n === 1) asked.destroy();
						if (!res.write(text(9000))) await Promise.race([once(res, "drain"), once(res, "close")]);
					}
					res.end();
				}, order);
				asked = request(url, {headers: {cookie: `__Host-session=${token}`, "accept-encoding": "gzip"}});
				asked.on("error", () => {}).end();
				await until(() => begun);
				await until(async () => (await service.open(token)).session.data.kept);

				assert.equal((await visitor(url).get("/nothing")).status, 200);
			});
		}
	});
}
