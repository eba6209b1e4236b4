import {atClock} from "./durations.js";
import {byId, element} from "./elements.js";
import {client} from "./session.js";

const POLL = 5_000;
const SHOWN = 14;
let asking = null;
let again = false;
let exchanges = [];
let shown = "";

/** Asks once at a time; what changed meanwhile is asked for afterwards. */
function refresh() {
	if (document.hidden) return;
	if (asking) return void (again = true);
	asking = ask()
		.catch(() => {})
		.finally(() => {
			asking = null;
			if (again) refresh((again = false));
		});
}

async function ask() {
	const {state} = client;
	const ended = state.status === "ended" && state.id ? `?ended=${state.id}` : "";
	const answer = await (await client.fetch(`/demo/inspector${ended}`)).json();
	// After the end the server tells nothing more of it: what this page saw before stays.
	if (answer.exchanges.length) exchanges = answer.exchanges;
	const news = JSON.stringify([answer.record, exchanges]);
	if (news === shown) return;
	shown = news;
	byId("record").replaceChildren(table(answer.record));
	const unfolded = new Map([...byId("traffic").querySelectorAll("details")].map(({dataset, open}) => [dataset.number, open]));
	byId("traffic").replaceChildren(list(exchanges));
	for (const details of byId("traffic").querySelectorAll("details")) {
		details.open = unfolded.get(details.dataset.number) ?? details.open;
	}
}

function table(record) {
	if (!record) return element("p", {className: "hint"}, "Nothing: a visitor who does nothing has no record.");
	const {id, user_id, version, data, secrets, ...rest} = record;
	const lines = Object.entries(data).map(line);
	// Of what most sessions have not, only what this one has.
	const more = flat(rest).filter(([, value]) => value !== null && value !== false);
	return element(
		"table",
		{},
		element("tbody", {}, ...Object.entries({id, user_id, version}).map(line)),
		element("tbody", {className: "data"}, heading("data", "JSON"), ...(lines.length ? lines : [element("tr", {}, element("td", {colSpan: 2}, "{}"))])),
		secrets ? element("tbody", {className: "secrets"}, heading("secrets", "hashes alone"), ...flat(secrets).map(line)) : null,
		element("tbody", {}, heading("life", "in ms"), ...more.map(line)),
	);
}

const heading = (name, note) => element("tr", {className: "heading"}, element("th", {colSpan: 2}, name, " ", element("small", {}, note)));

/** Nested objects as dotted names. */
function flat(values, prefix = "") {
	return Object.entries(values).flatMap(([name, value]) =>
		value !== null && typeof value === "object" && !Array.isArray(value) ? flat(value, `${prefix}${name}.`) : [[prefix + name, value]],
	);
}

function line([name, value]) {
	return element("tr", {"data-name": name}, element("th", {scope: "row"}, name), element("td", {}, ...cell(name, value)));
}

function cell(name, value) {
	if (value == null) return [element("span", {className: "null"}, "null")];
	if (typeof value !== "object" && !name.endsWith("_at")) return [String(value)];
	if (Array.isArray(value)) return [element("pre", {}, value.map((item) => JSON.stringify(item)).join("\n") || "[]")];
	if (typeof value === "object") return [JSON.stringify(value)];
	return [String(value), " ", element("small", {}, atClock(value))];
}

/** Requests of one kind that followed one another, as one line. */
function groups(all) {
	const found = [];
	for (const exchange of all) {
		const label = `${exchange.method} ${exchange.path.replace(/\/\d+$/, "/…").replace(/[0-9a-f]{8,}/, "…")} ${exchange.status}`;
		// The last three kinds: the client's own questions come in between.
		const same = found.slice(-3).find((group) => group.label === label);
		if (same) same.count++;
		else found.push({label, count: 1, exchange});
	}
	return found.slice(0, SHOWN);
}

function list(all) {
	if (!all.length) return element("p", {className: "hint"}, "Nothing yet.");
	return element("ol", {}, ...groups(all).map(entry));
}

function entry({exchange, count, label}) {
	const {number, status, sent, answered, milliseconds} = exchange;
	const title = element(
		"summary",
		{},
		element("b", {className: status < 400 ? "good" : "bad"}, status),
		` ${label.slice(0, -4)} `,
		element("small", {}, count > 1 ? `× ${count}` : `${milliseconds} ms`),
	);
	const lines = [...sent.map((text) => `→ ${text}`), ...answered.map((text) => `← ${text}`)];
	const hasToken = answered.some((text) => /^(set-cookie|sojourn-token)/i.test(text));
	return element("li", {}, element("details", {"data-number": number, open: hasToken}, title, element("pre", {}, lines.join("\n"))));
}

export function startInspector() {
	client.subscribe(({status}) => status !== "loading" && refresh());
	document.addEventListener("visibilitychange", refresh);
	setInterval(refresh, POLL);
}
