// An application for tests from outside: does what the request says, step by step, and tells what came of it.
import express from "express";

const {PORT, SITE_PUBLIC_ORIGIN, SOJOURN_EXPRESS, SOJOURN_SERVICE, SOJOURN_KEY} = process.env;
const {sojourn} = await import(SOJOURN_EXPRESS ?? "sojourn-express");

const STEPS = {
	set: (session, key, value) => void (session[key] = value),
	increment: (session, key, by = 1) => session.increment(key, by),
	login: (session, user, proved) => session.login(user, proved).then(() => null),
	sign_in: (session, user, password) => password === "sesame" && session.login(user).then(() => true),
	require_login: (session, proof) => session.requireLogin(proof),
	grant: (session, action, within) => session.grantOnce(action, {within}),
	use_grant: (session, action) => session.useGrant(action).then(() => null),
	proved: ({loginLevel, loginMethods}) => ({level: loginLevel, methods: loginMethods}),
	logout: (session) => session.logout().then(() => null),
	regenerate: (session) => session.regenerate({keepData: true}).then(() => null),
	// Without a session the id is a stand-in, a UUID.
	facts: ({id, userId, endReason}) => ({id: id.includes("-") ? null : id, user_id: userId, end_reason: endReason}),
};

const app = express();
app.get("/ready", (req, res) => res.send("ready"));
const bearer = SITE_PUBLIC_ORIGIN && {scriptReadableTokens: true, publicOrigin: SITE_PUBLIC_ORIGIN};
app.use(sojourn({service: SOJOURN_SERVICE, key: SOJOURN_KEY, trustedOrigins: ["https://trusted.example.com"], ...bearer}));
const perform = async (steps, req, res) => {
	const results = [];
	for (const [name, ...more] of steps) results.push((await STEPS[name](req.session, ...more)) ?? null);
	res.json(results);
};
app.post("/", express.json({type: () => true}), (req, res) => perform(req.body.do, req, res));
app.get("/notes/1", (req, res) => perform([["facts"]], req, res));
app.get("/", (req, res) => perform(JSON.parse(req.query.ask).do, req, res));
// What a handler waited for is the application's to answer.
app.use((error, req, res, next) => {
	if (!error.problem) return next(error);
	const {code, status, keys, size, limit, maxAge, level, action, retryAfter, endReason, problem} = error;
	const said = {keys, size, limit, max_age: maxAge, level, action, retry_after: retryAfter, end_reason: endReason};
	const held = Object.entries(said).filter(([, value]) => value !== null);
	const body = {type: `urn:sojourn:problem:${code}`, title: problem.title, status, detail: error.message, ...Object.fromEntries(held)};
	if (retryAfter !== null) res.set("Retry-After", String(retryAfter));
	res.status(status).set({"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}).type("application/problem+json").send(Buffer.from(JSON.stringify(body)));
});
app.listen(Number(PORT), "127.0.0.1");
