// A cart on express-session, set up as its page says: node express_session.mjs PORT PACKAGE_JSON
import {createRequire} from "node:module";

const [port, packages] = process.argv.slice(2);
const need = createRequire(packages);
const [express, sessions] = [need("express"), need("express-session")];
const app = express();
const put = (req, res) => {
	req.session.cart = [...(req.session.cart ?? []), req.body.item];
	res.json({});
};

app.use(sessions({secret: "not a secret", resave: false, saveUninitialized: false}), express.urlencoded());
app.post("/login", (req, res) =>
	req.session.regenerate(() => {
		req.session.user = "ada";
		res.json({});
	}),
);
app.post("/cart", (req, res) => setTimeout(put, 100, req, res));
app.post("/slow", (req, res) => setTimeout(put, 1200, req, res));
app.get("/cart", (req, res) => res.json(req.session.cart ?? []));
app.post("/logout", (req, res) => req.session.destroy(() => res.json({})));
app.listen(Number(port), "localhost");
