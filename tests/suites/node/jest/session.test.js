// Jest without a setting and without a flag: CommonJS, in its own module system.
const express = require("express");
const request = require("supertest");
const {sojourn, SojournError} = require("sojourn-express");
const {sessions} = require("sojourn-express/fetch");

const options = {service: process.env.SOJOURN_SERVICE, key: process.env.SOJOURN_KEY};

test("an application that is tested with Jest and supertest keeps its session", async () => {
	const app = express();
	app.use(sojourn(options));
	app.get("/", (req, res) => res.json(req.session.increment("visits")));
	const agent = request.agent(app);
	const [cookie] = (await agent.get("/").expect(200, "1")).headers["set-cookie"];

	await request(app).get("/").set("Cookie", cookie.split(";")[0]).expect(200, "2");
});

test("errors are errors of Jest's own world", () => {
	expect(() => sojourn({...options, key: "x"})).toThrow(SojournError);
	expect(() => sojourn({...options, key: "x"})).toThrow(/sojourn keys make/);
});

test("what takes a Request gives a Response", async () => {
	const {handle} = sessions(options);
	const answer = await handle(new Request("http://localhost/"), (session) => Response.json(session.increment("n")));

	expect(await answer.json()).toBe(1);
	expect(answer.headers.getSetCookie()).toHaveLength(1);
});
