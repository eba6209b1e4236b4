// passport, which thousands of Express applications log in with, knows express-session's ways alone.
import assert from "node:assert/strict";
import {after, before, test} from "node:test";
import flash from "connect-flash";
import cookieParser from "cookie-parser";
import {doubleCsrf} from "csrf-csrf";
import passport from "passport";
import {Strategy as Local} from "passport-local";
import {sojourn} from "sojourn-express";
import {SojournStore} from "sojourn-express/store";
import {startService} from "./service.js";
import {closeAll, listen, VERSIONS, visitor} from "./visitor.js";

let service;
before(async () => {
	service = await startService();
});
after(async () => {
	closeAll();
	await service.stop();
});

for (const [version, express] of VERSIONS) {
	for (const kind of ["sojourn", "SojournStore"]) {
		test(`${version}, ${kind}: log in, be known, log out`, async () => {
			const options = {service: service.url, key: service.key};
			const auth = new passport.Passport();
			auth.serializeUser((user, done) => done(null, user.name));
			auth.deserializeUser((name, done) => done(null, {name}));
			const app = express();
			app.use(kind === "sojourn" ? sojourn(options) : new SojournStore(options).session({resave: false, saveUninitialized: false}));
			app.use(auth.session());
			app.post("/login", (req, res, next) => req.login({name: "ada"}, (error) => (error ? next(error) : res.json(req.user))));
			app.post("/logout", (req, res, next) => req.logout((error) => (error ? next(error) : res.json(req.user ?? null))));
			app.get("/cart", (req, res) => {
				req.session.cart = ["tea"];
				res.json(req.user ?? null);
			});
			app.get("/", (req, res) => res.json([req.user ?? null, req.session.cart ?? null]));
			const ada = visitor(await listen(app));
			await ada.get("/cart");
			const planted = ada.token;
			assert.deepEqual((await ada.post("/login")).json(), {name: "ada"});
			const {token} = ada;
			assert.notEqual(token, planted);
			assert.deepEqual((await ada.get("/")).json(), [{name: "ada"}, null]);
			await ada.get("/cart");
			assert.equal((await ada.post("/logout")).json(), null);

			assert.deepEqual((await ada.get("/")).json(), [null, null]);
			assert.deepEqual((await visitor(await listen(app), token).get("/")).json(), [null, null]);
			assert.equal((await service.open(token)).status, "ended");
		});

		test(`${version}, ${kind}: keepSessionInfo keeps the data through log-in and log-out, under a new id each`, async () => {
			const options = {service: service.url, key: service.key};
			const auth = new passport.Passport();
			auth.use(new Local((name, password, done) => done(null, password === "right" && {name}, {message: "No."})));
			auth.serializeUser((user, done) => done(null, user.name));
			auth.deserializeUser((name, done) => done(null, {name}));
			const app = express();
			app.use(kind === "sojourn" ? sojourn(options) : new SojournStore(options).session({resave: false, saveUninitialized: false}));
			app.use(flash(), auth.session(), express.urlencoded({extended: false}));
			app.post("/login", auth.authenticate("local", {keepSessionInfo: true, successRedirect: "/", failureRedirect: "/", failureFlash: true}));
			app.post("/logout", (req, res, next) => req.logout({keepSessionInfo: true}, (error) => (error ? next(error) : res.redirect("/"))));
			app.get("/", (req, res) => {
				req.session.cart ??= ["tea"];
				res.json([req.user?.name ?? null, req.session.cart, req.flash("error")]);
			});
			const ada = visitor(await listen(app));
			const login = (password) => ada.post("/login", {body: new URLSearchParams({username: "ada", password})});
			assert.deepEqual((await ada.get("/")).json(), [null, ["tea"], []]);
			const ids = [ada.token.slice(4, 36)];
			await login("wrong");
			assert.deepEqual((await ada.get("/")).json(), [null, ["tea"], ["No."]]);
			assert.deepEqual((await ada.get("/")).json(), [null, ["tea"], []]);
			await login("right");
			ids.push(ada.token.slice(4, 36));
			assert.deepEqual((await ada.get("/")).json(), ["ada", ["tea"], []]);
			await ada.post("/logout");
			ids.push(ada.token.slice(4, 36));

			assert.deepEqual((await ada.get("/")).json(), [null, ["tea"], []]);
			assert.equal(new Set(ids).size, 3);
		});

		test(`${version}, ${kind}: csrf-csrf's tokens hold for the session that there is`, async () => {
			const options = {service: service.url, key: service.key};
			const app = express();
			app.use(kind === "sojourn" ? sojourn(options) : new SojournStore(options).session({resave: false, saveUninitialized: false}));
			const {generateCsrfToken, doubleCsrfProtection} = doubleCsrf({
				getSecret: () => "secret",
				getSessionIdentifier: (req) => req.session.id,
				cookieName: "csrf",
				getCsrfTokenFromRequest: (req) => req.headers["x-csrf-token"],
			});
			app.use(cookieParser(), doubleCsrfProtection);
			app.get("/begin", (req, res) => res.json((req.session.begun = true)));
			app.get("/", (req, res) => res.json(generateCsrfToken(req, res)));
			app.post("/", (req, res) => res.send("done"));
			app.use((error, req, res, next) => res.status(error.status ?? 500).send(error.code ?? String(error)));
			const url = await listen(app);
			const send = async (ada) => {
				const token = await ada.get("/");
				const csrf = token.headers.getSetCookie().find((text) => text.startsWith("csrf=")).split(";")[0];
				return ada.post("/", {headers: {"x-csrf-token": token.json(), cookie: `${csrf}; __Host-session=${ada.token}`}});
			};
			const ada = visitor(url);
			await ada.get("/begin");
			assert.equal((await send(ada)).body, "done");

			// Nobody's token is everybody's: of a visitor without a session it holds for that one request.
			assert.equal((await send(visitor(url))).status, 403);
		});
	}
}
