// A session of one integer in Express, read or changed by each request, behind no sessions, express-session with
// connect-redis, or sojourn-express, each set up as its page says:
// node counter.mjs PORT none | connect-redis REDIS_URL | ADAPTER SERVICE KEY
import express from "express";

const [port, layer, url, key] = process.argv.slice(2);
const app = express();

async function connectRedis() {
  const [{ default: sessions }, { RedisStore }, { createClient }] = await Promise.all([
    import("express-session"),
    import("connect-redis"),
    import("redis"),
  ]);
  const client = await createClient({ url }).connect();
  const settings = { resave: false, saveUninitialized: false, secret: "b7c1".repeat(16) };
  return sessions({ ...settings, store: new RedisStore({ client, prefix: "express:" }) });
}

// Where the adapter lies: it is a folder of this repository, and not a package of this one's.
const adapter = async () => (await import(layer)).sojourn({ service: url, key });

if (layer !== "none") app.use(await (layer === "connect-redis" ? connectRedis() : adapter()));

app.get("/read", (request, response) => response.send(`${request.session?.n ?? 0}`));
app.get("/change", (request, response) => {
  if (request.session) request.session.n = (request.session.n ?? 0) + 1;
  response.send("changed");
});
// Browsers wait for their turn.
app.listen(Number(port), "127.0.0.1").keepAliveTimeout = 600_000;

process.on('SIGTERM', () => process.exit(0));
