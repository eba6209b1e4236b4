// Only the type checker reads this.
import type {Express, Request} from "express";
import {SojournError, sojourn, type EndReason, type Options, type Session} from "sojourn-express";

declare module "sojourn-express" {
	interface SessionData {
		cart: string[];
		visits: number;
	}
}

declare const app: Express;

const options: Options = {service: "http://127.0.0.1:8100", key: process.env.SOJOURN_KEY};
app.use(sojourn(options));
app.use(sojourn({...options, scriptReadableTokens: true, publicOrigin: "https://app.example.com"}));
app.use(sojourn({...options, timeout: 500, cookieName: "sid", trustedOrigins: ["https://app.example.com"], passive: (req: Request) => req.path === "/poll"}));

app.post("/login", async (req, res) => {
	await req.session.login("ada", {remember: true});
	await req.session.login("ada");
	req.session.cart = ["tea"];
	req.session.cart?.push("cup");
	delete req.session.cart;
	const sum: number = req.session.increment("visits", 2);
	const id: string = req.session.id;
	const sameId: string = req.sessionID;
	const user: string | null = req.session.userId;
	const why: EndReason | null = req.session.endReason;
	const age: number | null = req.session.cookie.maxAge;
	res.json({sum, id, sameId, user, why, age, expires: req.session.cookie.expires?.toISOString()});
});

app.post("/ways", async (req, res, next) => {
	const session: Session = req.session;
	session.save((error) => next(error));
	session.login("ada", {remember: true}, (error?: SojournError) => next(error));
	session.login("ada", next).touch().logout(next).destroy(next);
	session.regenerate({keepData: true}, next).reload(next);
	session.regenerate(next);
	await Promise.all([session.save(), session.reload(), session.logout(), session.destroy(), session.regenerate(), session.regenerate({keepData: true})]);
	res.end();
});

app.use((error: unknown, _req: Request, res: {status(code: number): {end(): void}}, next: (error: unknown) => void) => {
	if (!(error instanceof SojournError)) return next(error);
	const code: string = error.code;
	const reason: EndReason | null = error.endReason;
	res.status(error.status).end();
	return [code, reason];
});

app.use((req) => {
	// @ts-expect-error the service gives it
	req.session.id = "x";
	// @ts-expect-error a list of texts
	req.session.cart = [1];
	// @ts-expect-error not declared
	req.session.other = 1;
	// @ts-expect-error the policy says how long
	req.session.cookie.maxAge = 1;
	// @ts-expect-error a user has a name
	void req.session.login();
});

// @ts-expect-error where is the service?
sojourn({key: "sjk1-"});
// @ts-expect-error no such option
sojourn({...options, saveUninitialized: false});
