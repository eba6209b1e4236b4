// Only the type checker reads this.
import type {Express} from "express";
import {SojournStore} from "sojourn-express/store";

declare module "express-session" {
	interface SessionData {
		cart: string[];
	}
}

declare const app: Express;

const store = new SojournStore({service: "unix:/run/sojourn.sock", key: process.env.SOJOURN_KEY, timeout: 500});
app.use(store.session({resave: false, saveUninitialized: false, rolling: false}));
app.use((req, res) => {
	req.session.cart?.push("tea");
	req.session.regenerate((error) => res.json([error, store.userId(req)]));
});

// @ts-expect-error the service makes the cookie
store.session({cookie: {maxAge: 1}});
