// passport, which thousands of Express applications log in with, knows express-session's ways alone.
import assert from "node:assert/strict";
import {after, before, test} from "node:test";
import passport from "passport";
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
	}
}
