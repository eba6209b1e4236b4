// Caches inside Express, the packages themselves: whose page is given to whom, and whose cookie (docs/caches.md).
import assert from "node:assert/strict";
import {after, before, describe, test} from "node:test";
import apicache from "apicache";
import routeCache from "route-cache";
import {sojourn} from "sojourn-express";
import {startService} from "./service.js";
import {closeAll, listen, VERSIONS, visitor} from "./visitor.js";

let service;
before(async () => (service = await startService()));
after(async () => {
	closeAll();
	await service.stop();
	// Or their timers keep the process for the minute that pages are kept.
	for (const cache of cleared) for (const key of cache.getIndex().all) cache.clear(key);
});

const cleared = [];

// The line of docs/caches.md is in `line`.
const CACHES = {
	apicache: () => {
		const plain = apicache.newInstance();
		const line = plain.newInstance({appendKey: (req) => req.sessionID ?? ""});
		cleared.push(plain, line);
		return {plain: plain.middleware("1 minute"), line: line.middleware("1 minute")};
	},
	"route-cache": () => ({
		plain: routeCache.cacheSeconds(60),
		line: routeCache.cacheSeconds(60, (req) => `${req.originalUrl} ${req.sessionID ?? ""}`),
	}),
};

for (const [version, express] of VERSIONS)
	for (const [name, make] of Object.entries(CACHES))
		describe(`${name} in ${version}`, () => {
			async function site(sessions) {
				const app = express();
				const {plain, line} = make();
				const hello = (req, res) => res.send(`hello ${req.session.userId ?? req.session.user}`);
				const begin = (req, res) => {
					req.session.cart = ["tea"];
					res.send("begun");
				};
				// Paths of their own: both packages keep what they have for the whole process.
				const root = `/${Math.random()}`;
				app.use(sessions);
				app.post(`${root}/login/:user`, async (req, res) => {
					if (req.session.login) req.session.login(req.params.user);
					else req.session.user = req.params.user;
					res.send("in");
				});
				app.get(`${root}/plain`, plain, hello);
				app.get(`${root}/line`, line, hello);
				app.get(`${root}/begin`, plain, begin);
				const url = (await listen(app)) + root;
				return {
					visitor: () => visitor(url),
					async member(user) {
						const browser = visitor(url);
						assert.equal((await browser.post(`/login/${user}`)).body, "in");
						return browser;
					},
				};
			}
			const ours = () => site(sojourn({service: service.url, key: service.key}));
			const pages = async (path, browsers) => {
				const found = [];
				for (const browser of browsers) found.push((await browser.get(path)).body);
				return found;
			};

			test("a plain page that read a session is given to the next visitor", async () => {
				const {member, visitor} = await ours();

				assert.deepEqual(await pages("/plain", [await member("ada"), visitor()]), ["hello ada", "hello ada"]);
			});

			test("with the line everybody is given a page of their own", async () => {
				const {member, visitor} = await ours();
				const browsers = [await member("ada"), await member("bob"), visitor()];

				for (let round = 0; round < 3; round++)
					assert.deepEqual(await pages("/line", browsers), ["hello ada", "hello bob", "hello undefined"]);
			});

			test("a cookie is given to nobody but who began the session", async () => {
				const {visitor} = await ours();
				const [first, second] = [visitor(), visitor()];
				await first.get("/begin");
				await second.get("/begin");

				assert.match(first.told.join(), /__Host-session=sj1-/);
				assert.notEqual(second.token, first.token);
			});
		});
