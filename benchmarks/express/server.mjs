// The shop of ../shop.py in Express, bare or with express-session and connect-redis, set up as their pages say:
// node server.mjs PORT SESSION [REDIS_URL]
import express from "express";

const [port, session, url] = process.argv.slice(2);
const app = express();

if (url) {
  const [{ default: sessions }, { RedisStore }, { createClient }] = await Promise.all([
    import("express-session"),
    import("connect-redis"),
    import("redis"),
  ]);
  const client = await createClient({ url }).connect();
  const settings = { resave: false, saveUninitialized: false, secret: "b7c1".repeat(16) };
  app.use(sessions({ ...settings, store: new RedisStore({ client, prefix: "express:" }) }));
}

let visits = 100;
app.get("/fill", (request, response) => {
  if (request.session) Object.assign(request.session, JSON.parse(session));
  response.send("dark");
});
app.get("/read", (request, response) => response.send(request.session ? request.session.theme : "dark"));
app.get("/change", (request, response) => {
  if (request.session) request.session.visits = visits++;
  response.send("dark");
});
// Browsers wait for their turn.
app.listen(Number(port), "127.0.0.1").keepAliveTimeout = 600_000;
