// The Node back end: Express, in the session that it shares with the three others.
import {setTimeout as sleep} from "node:timers/promises";
import express from "express";
import {sojourn} from "sojourn-express";

const app = express();
app.set("trust proxy", true); // nobody but nginx gets here
app.use(sojourn({service: process.env.SOJOURN_SERVICE, key: process.env.SOJOURN_KEY}));
app.use(express.json());

const isText = (value) => typeof value === "string" && value.length >= 1 && value.length <= 40;
const shown = ({session}) => ({user: session.userId, ended: session.endReason, data: {...session}});

app.get("/", (req, res) => res.json(shown(req)));

// Everybody's password is "sesame". Yours are hashed, in your database.
app.post("/login", async (req, res) => {
	const {name, password} = req.body ?? {};
	if (!isText(name)) return res.status(422).json({detail: "A name has 1 to 40 characters."});
	if (password !== "sesame") return res.status(403).json({detail: "This name and password do not go together."});
	await req.session.login(name); // a new id and token; the cart comes along
	res.json(shown(req));
});

app.post("/cart", async (req, res) => {
	const {thing} = req.body ?? {};
	if (!isText(thing)) return res.status(422).json({detail: "A thing has 1 to 40 characters."});
	await sleep(Math.min(Number(req.query.wait) || 0, 5000)); // work that takes its time; others write meanwhile, or log out
	(req.session.cart ??= []).push({thing, by: "express"});
	req.session.increment("additions");
	req.session.express = thing; // a key that only this back end writes
	res.json(shown(req));
});

app.post("/logout", async (req, res) => {
	await req.session.logout(); // here, and in every back end and tab
	res.sendStatus(204);
});

app.listen(process.env.LISTEN ?? 3000);
