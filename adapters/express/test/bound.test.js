// A session that is bound to a key: its token opens nothing in a cookie, which is all that this adapter reads.
import assert from "node:assert/strict";
import {after, before, test} from "node:test";
import {sojourn} from "sojourn-express";
import {NAME, startService} from "./service.js";
import {closeAll, listen, VERSIONS} from "./visitor.js";

const URL_OF_LOG_IN = "https://app.example.com/log-in";

let service;
before(async () => {
	service = await startService({config: '[policy]\nbinding = "prefer"\n'});
});
after(async () => {
	closeAll();
	await service.stop();
});

const base64url = (value) => Buffer.from(value).toString("base64url");

/** The token of a session that another back end bound to its visitor's key. */
async function boundToken() {
	const algorithm = {name: "ECDSA", namedCurve: "P-256"};
	const {privateKey, publicKey} = await crypto.subtle.generateKey(algorithm, true, ["sign"]);
	const {kty, crv, x, y} = await crypto.subtle.exportKey("jwk", publicKey);
	const head = {typ: "dpop+jwt", alg: "ES256", jwk: {kty, crv, x, y}};
	const claims = {jti: crypto.randomUUID(), htm: "POST", htu: URL_OF_LOG_IN, iat: Math.floor(Date.now() / 1000)};
	const text = [head, claims].map((part) => base64url(JSON.stringify(part))).join(".");
	const signature = await crypto.subtle.sign({name: "ECDSA", hash: "SHA-256"}, privateKey, Buffer.from(text));
	const presented = {method: "POST", url: URL_OF_LOG_IN, proof: `${text}.${base64url(signature)}`};
	const {body} = await service.commit({presented, action: {type: "login", user_id: "ada"}});
	assert.equal(body.session.bound, "browser");
	return body.token;
}

for (const [version, express] of VERSIONS) {
	test(`${version}: the token of a bound session is refused in a cookie, and ends nothing`, async () => {
		const app = express();
		app.use(sojourn({service: service.url, key: service.key}));
		app.use((req, res) => res.send("opened"));
		const token = await boundToken();
		const answer = await fetch(await listen(app), {headers: {Cookie: `${NAME}=${token}`}});

		assert.equal(answer.status, 401);
		assert.equal((await answer.json()).type, "urn:sojourn:problem:proof-required");
		assert.equal(answer.headers.get("www-authenticate"), 'DPoP error="invalid_dpop_proof", algs="ES256"');
		assert.equal(answer.headers.get("set-cookie"), null);
		const again = await service.open(token);
		assert.equal(again.type, "urn:sojourn:problem:proof-required");
	});
}
