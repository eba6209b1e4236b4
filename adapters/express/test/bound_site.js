// A page with the browser client, and on its origin an Express site and the session service's own endpoints.
import {request} from "node:http";
import express from "express";

const {PORT, SITE_PUBLIC_ORIGIN, SOJOURN_EXPRESS, SOJOURN_SERVICE, SOJOURN_KEY} = process.env;
const {sojourn} = await import(SOJOURN_EXPRESS ?? "sojourn-express");

const PAGE = `<!doctype html>
<html lang="en"><title>Bound</title>
<script type="module">import * as sojourn from "/session/client.js"; Object.assign(window, sojourn);</script>
`;

const app = express();
app.use("/session", (req, res) => {
	const {method, headers, originalUrl} = req;
	const forwarded = request(SOJOURN_SERVICE + originalUrl, {method, headers}, (answer) => {
		res.writeHead(answer.statusCode, answer.headers);
		answer.pipe(res);
	});
	req.pipe(forwarded);
});
app.get("/page", (req, res) => res.type("html").send(PAGE));
app.use(sojourn({service: SOJOURN_SERVICE, key: SOJOURN_KEY, scriptReadableTokens: true, publicOrigin: SITE_PUBLIC_ORIGIN}));
app.post("/login", express.json({type: () => true}), async (req, res) => {
	await req.session.login(req.body.user);
	res.json({});
});
app.post("/visits", (req, res) => res.json(req.session.increment("visits")));
app.get("/me", (req, res) => res.json({user: req.session.userId}));
app.listen(Number(PORT), "127.0.0.1");
