// An Express application before the move, as express-session's and connect-redis's pages have it. It prints the cookie
// that it gave to a browser: node express.mjs REDIS_URL SESSION MAX_AGE MODULES, where the modules lie.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [url, session, maxAge, modules] = process.argv.slice(2);
const require = createRequire(pathToFileURL(`${modules}/x.js`));
const express = require("express");
const sessions = require("express-session");
const { createClient } = require("redis");
const { RedisStore } = await import(pathToFileURL(require.resolve("connect-redis")).href);

const client = await createClient({ url }).connect();
const app = express();
app.use(
  sessions({
    store: new RedisStore({ client }),
    secret: process.env.OLD_SECRET ?? ["a newer key", "the old key"],
    resave: false,
    saveUninitialized: false,
    cookie: { maxAge: maxAge === "null" ? null : Number(maxAge) },
  }),
);
app.get("/", (request, response) => {
  Object.assign(request.session, JSON.parse(session));
  response.send("");
});
const server = app.listen(0, "127.0.0.1", async () => {
  const response = await fetch(`http://127.0.0.1:${server.address().port}/`);
  console.log(response.headers.get("set-cookie").split(";")[0]);
  server.closeAllConnections();
  server.close();
  client.destroy();
});
