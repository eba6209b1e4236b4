// What Express's requests and responses are to V8 once a session is put in them, and to everybody else.
import assert from "node:assert/strict";
import {after, before, test} from "node:test";
import {setFlagsFromString} from "node:v8";
import {sojourn} from "sojourn-express";
import {keepInDictionary} from "../dist/dictionary.js";
import {startService} from "./service.js";
import {closeAll, listen, VERSIONS, visitor} from "./visitor.js";

setFlagsFromString("--allow-natives-syntax");
const isDictionary = new Function("object", "return !%HasFastProperties(object)");
const isYoung = new Function("object", "return %InYoungGeneration(object)");

let service;
before(async () => (service = await startService()));
after(async () => {
	closeAll();
	await service.stop();
});

const propertiesOf = (object) => Object.getOwnPropertyDescriptors(object);

for (const [name, express] of VERSIONS) {
	test(`${name}: requests and responses with a session cost V8 no map each, and have all that they had`, async () => {
		let seen;
		const app = express();
		app.use((req, res, next) => {
			seen = {req, res, before: {req: propertiesOf(req), res: propertiesOf(res)}};
			next();
		});
		app.use(sojourn({service: service.url, key: service.key}));
		app.get("/", (req, res) => {
			seen.now = {req: propertiesOf(req), res: propertiesOf(res)};
			res.send("there");
		});
		assert.equal((await visitor(await listen(app)).get("/")).body, "there");

		for (const what of ["req", "res"]) {
			assert.ok(isDictionary(seen[what]), what);
			for (const [name, had] of Object.entries(seen.before[what])) {
				const {value, ...rest} = seen.now[what][name];
				const {value: before, ...same} = had;
				assert.deepEqual(rest, same, name);
				// Numbers and texts go on; objects stay the very same, but for what Express's routes put in.
				if (typeof before === "object" && before !== null && name !== "params") assert.equal(value, before, name);
			}
		}
	});
}

for (const [name, express] of VERSIONS) {
	test(`${name}: nothing that V8 makes in its old space for a request reaches the request`, async () => {
		const seen = [];
		const app = express();
		app.use(sojourn({service: service.url, key: service.key}));
		app.get("/", (req, res) => {
			req.session.n = seen.length;
			const methods = [res.writeHead, res.write, res.end, res.flushHeaders];
			res.end("there");
			const {session, sessionID} = propertiesOf(req);
			const accessors = [session.get, session.set, sessionID.get, propertiesOf(res).writableEnded.get];
			seen.push({areYoung: methods.every(isYoung), accessors});
		});
		const browser = visitor(await listen(app));
		for (let count = 0; count < 5; count++) assert.equal((await browser.get("/")).body, "there");

		// A collection may have moved those of one, but not of all.
		assert.ok(seen.some(({areYoung}) => areYoung));
		for (const {accessors} of seen) assert.ok(accessors.every((accessor, place) => accessor === seen[0].accessors[place]));
	});
}

test("a property that cannot be taken out stays as it is, and so does what is none", () => {
	const frozen = Object.freeze({a: 1, b: 2});
	keepInDictionary(frozen, "a");
	assert.deepEqual(frozen, {a: 1, b: 2});

	const computed = {get a() { return 7; }, b: 2};
	keepInDictionary(computed, "a");
	keepInDictionary(computed, "missing");
	assert.deepEqual(propertiesOf(computed).a.set, undefined);
	assert.equal(computed.a, 7);
	assert.deepEqual(Object.keys(computed).sort(), ["a", "b"]);
});
