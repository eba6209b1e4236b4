// A shop whose visitors log in at an identity provider, for tests from outside: as the README's recipe does it.
import {randomBytes} from "node:crypto";
import express from "express";

const {PORT, SITE_PROVIDER, SOJOURN_EXPRESS, SOJOURN_SERVICE, SOJOURN_KEY} = process.env;
const {sojourn} = await import(SOJOURN_EXPRESS ?? "sojourn-express");

const app = express();
app.get("/ready", (req, res) => res.send("ready"));
app.use(sojourn({service: SOJOURN_SERVICE, key: SOJOURN_KEY, crossSitePaths: ["/back"]}));
app.get("/", (req, res) => res.json({user: req.session.userId, cart: req.session.cart ?? []}));
app.get("/add", (req, res) => {
	req.session.cart = ["tea"];
	res.send("added");
});
app.get("/enter", (req, res) => {
	req.session.state = randomBytes(16).toString("hex");
	const asked = new URLSearchParams({state: req.session.state, redirect_uri: `http://${req.headers.host}/back`});
	res.redirect(`${SITE_PROVIDER}/?${asked}`);
});
app.post("/back", express.urlencoded({extended: false}), (req, res) => res.redirect(303, "/back?" + new URLSearchParams(req.body)));
app.get("/back", async (req, res) => {
	const {state} = req.session;
	delete req.session.state;
	if (state === undefined || state !== req.query.state) return res.status(403).send("Nobody here began this.");
	await req.session.login("ada");
	res.redirect("/");
});
app.listen(Number(PORT), "127.0.0.1");
