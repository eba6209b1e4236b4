// A shop with a log-in: SOJOURN_KEY=sjk1-… node example/server.js
import express from "express";
import {sojourn} from "sojourn-express";

const PASSWORDS = {ada: "lovelace", grace: "hopper"}; // yours are hashed, in your database
const GOODS = ["tea", "cup", "spoon"];

const escape = (text) => String(text).replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);

const app = express();
app.use(sojourn({service: process.env.SOJOURN_SERVICE ?? "http://127.0.0.1:8100", key: process.env.SOJOURN_KEY}));
app.use(express.urlencoded());

app.get("/", (req, res) => {
	const {userId, endReason, cart = [], visits = 0} = req.session;
	const greeting = userId ? `Hello ${escape(userId)}.` : endReason ? `You were signed out: ${endReason}.` : "Hello, whoever you are.";
	const forms = GOODS.map((what) => `<form action="/cart" method="post"><button name="what" value="${what}">Add ${what}</button></form>`);
	const account = userId
		? `<form action="/logout" method="post"><button>Log out</button></form>`
		: `<form action="/login" method="post">
			<label>Name <input name="name" autocomplete="username"></label>
			<label>Password <input name="password" type="password" autocomplete="current-password"></label>
			<button>Log in</button>
		</form>`;
	res.send(`<!doctype html><html lang="en"><title>Shop</title><main><h1>Shop</h1>
		<p>${greeting} Additions so far: ${visits}.</p>
		<ul>${cart.map((what) => `<li>${escape(what)}</li>`).join("")}</ul>
		${forms.join("")}${account}</main></html>`);
});

app.post("/cart", (req, res) => {
	const {what} = req.body;
	if (!GOODS.includes(what)) return res.status(400).send("We do not have that.");
	(req.session.cart ??= []).push(what); // two tabs at once: both are kept
	req.session.increment("visits"); // and counted
	res.redirect(303, "/");
});

app.post("/login", async (req, res) => {
	const {name, password} = req.body;
	if (!Object.hasOwn(PASSWORDS, name) || PASSWORDS[name] !== password) return res.status(401).send("Wrong name or password.");
	await req.session.login(name); // a new id and token; the cart comes along
	res.redirect(303, "/");
});

app.post("/logout", async (req, res) => {
	await req.session.logout(); // here, and in every back end and tab
	res.redirect(303, "/");
});

const server = app.listen(process.env.PORT ?? 3000, "127.0.0.1", () => console.log(`http://localhost:${server.address().port}`));
