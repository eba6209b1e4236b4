// An authenticated page that answers what `sojourn serve` answers to an open, behind no sessions, express-session with
// connect-redis, or sojourn-express, each set up as its page says:
// node open.mjs PORT SESSION none | connect-redis REDIS_URL | ADAPTER SERVICE KEY
import express from "express";

const [port, text, layer, url, key] = process.argv.slice(2);
const given = JSON.parse(text);
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

/** Who is logged in, and what the session holds. */
const looks = {
  none: () => ({ user: "nobody", data: given }),
  "connect-redis": ({ session: { cookie, user, ...data } }) => ({ user, data }),
};
const look = looks[layer] ?? (({ session }) => ({ user: session.userId, data: session }));

app.get("/login/:user", async (request, response) => {
  const { session, params } = request;
  Object.assign(session, given);
  if (layer === "connect-redis") session.user = params.user;
  else await session.login(params.user);
  response.send("welcome");
});

app.get("/open", (request, response) => {
  const { user, data } = look(request);
  if (!user) return void response.sendStatus(401);
  const now = Date.now();
  response.json({
    status: "active",
    end_reason: null,
    ended_at: null,
    session: {
      id: request.sessionID ?? null,
      user_id: user,
      data,
      version: 1,
      created_at: now,
      authenticated_at: now,
      seen_at: now,
      expires_at: now,
      absolute_expires_at: now,
      idle_timeout: 1800000,
      remember: false,
      follows: null,
    },
    commit_due: false,
    now,
  });
});

// Browsers wait for their turn.
app.listen(Number(port), "127.0.0.1").keepAliveTimeout = 600_000;
