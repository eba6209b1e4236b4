// Express, with cors before sojourn: an answer has its headers before anybody refuses.
import cors from "cors";
import express from "express";

const {sojourn} = await import(process.env.SOJOURN_EXPRESS);
const app = express();
app.use(cors({origin: JSON.parse(process.env.SITE_ALLOWED), credentials: true}));
app.use(
	sojourn({
		service: process.env.SITE_SERVICE,
		key: process.env.SITE_KEY,
		trustedOrigins: JSON.parse(process.env.SITE_TRUSTED),
	}),
);
app.post("/login", async (req, res) => {
	await req.session.login("ada");
	res.json({});
});
app.get("/me", (req, res) => res.json({user: req.session.userId ?? null}));
app.listen(Number(process.argv[2]), "127.0.0.1");
