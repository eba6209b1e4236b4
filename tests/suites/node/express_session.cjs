// In the place of express-session's index.js, for its own test suite: its sessions, kept by SojournStore, or `sojourn()` by
// itself (SUITE_KIND). What these do not take, such as a secret and a store, is left out.
const real = require("express-session");
const {sojourn} = require("sojourn-express");
const {SojournStore} = require("sojourn-express/store");

const {SUITE_KIND, SOJOURN_SERVICE, SOJOURN_KEY} = process.env;
const options = {service: SOJOURN_SERVICE, key: SOJOURN_KEY, cookieName: "connect.sid"};

function session({store, resave, saveUninitialized, rolling} = {}) {
	const ours = SUITE_KIND === "sojourn" ? sojourn(options) : new SojournStore(options).session({resave, saveUninitialized, rolling});
	return (req, res, next) =>
		ours(req, res, (error) => {
			// The suite counts what its own store is told.
			const visit = req.sessionStore;
			if (store && visit) {
				for (const name of ["set", "touch", "destroy"]) {
					const method = visit[name];
					visit[name] = (...given) => {
						store[name]?.(...given.slice(0, -1), () => {});
						return method.apply(visit, given);
					};
				}
			}
			next(error);
		});
}

module.exports = Object.assign(session, {Store: real.Store, Cookie: real.Cookie, Session: real.Session, MemoryStore: real.MemoryStore});
