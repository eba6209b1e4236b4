// An application for tests from outside: does what the request says, step by step, and tells what came of it.
import express from "express";

const {PORT, SOJOURN_EXPRESS, SOJOURN_SERVICE, SOJOURN_KEY} = process.env;
const {sojourn} = await import(SOJOURN_EXPRESS ?? "sojourn-express");

const STEPS = {
	set: (session, key, value) => void (session[key] = value),
	increment: (session, key, by = 1) => session.increment(key, by),
	login: (session, user) => session.login(user).then(() => null),
	logout: (session) => session.logout().then(() => null),
	regenerate: (session) => session.regenerate({keepData: true}).then(() => null),
	facts: ({id, userId, endReason}) => ({id, user_id: userId, end_reason: endReason}),
};

const app = express();
app.get("/ready", (req, res) => res.send("ready"));
app.use(sojourn({service: SOJOURN_SERVICE, key: SOJOURN_KEY}));
app.post("/", express.json({type: () => true}), async (req, res) => {
	const results = [];
	for (const [name, ...more] of req.body.do) results.push((await STEPS[name](req.session, ...more)) ?? null);
	res.json(results);
});
// What a handler waited for is the application's to answer.
app.use((error, req, res, next) => {
	if (!error.problem) return next(error);
	const {code, status, keys, size, limit, endReason, problem} = error;
	const held = Object.entries({keys, size, limit, end_reason: endReason}).filter(([, value]) => value !== null);
	const body = {type: `urn:sojourn:problem:${code}`, title: problem.title, status, detail: error.message, ...Object.fromEntries(held)};
	res.status(status).set("Cache-Control", "no-store").type("application/problem+json").send(Buffer.from(JSON.stringify(body)));
});
app.listen(Number(PORT), "127.0.0.1");
