import {createSessionClient, isSessionError} from "/session/client.js";

const BACK_ENDS = [
	{name: "python", language: "Python", framework: "FastAPI", badge: "Py"},
	{name: "express", language: "Node", framework: "Express", badge: "Js"},
	{name: "php", language: "PHP", framework: "PHP-FPM", badge: "Php"},
	{name: "aspnet", language: ".NET", framework: "ASP.NET Core", badge: "C#"},
];
const THINGS = ["tea", "lantern", "map", "compass", "book", "rope", "cup", "ink"];
const REASONS = {
	logout: "You logged out. The session is over at every back end, and in every tab.",
	idle_timeout: "You were away for a while, so you were signed out.",
	absolute_timeout: "You were signed in for a long time. Please sign in again.",
	revoked: "You were signed out from another device.",
	replaced: "You signed in anew.",
	token_reuse: "This session was used from two places, so it was ended. Please sign in again.",
	limit: "You signed in on too many devices; this was the oldest session.",
};

const byId = (id) => document.getElementById(id);
const session = createSessionClient({url: "/session"});
const tabs = new BroadcastChannel("one-session");
const cards = BACK_ENDS.map(makeCard);
/** The back ends that answer: one may be missing on this machine. */
const living = () => cards.filter((card) => card.isAlive);

function element(name, attributes, ...children) {
	const made = document.createElement(name);
	for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
	made.append(...children);
	return made;
}

/** Asks a back end. What it refuses is an Error with its words. */
async function ask({name, language}, path, body, method = "POST") {
	const headers = body ? {"Content-Type": "application/json"} : {};
	const answer = await fetch(`/${name}/${path}`, {method, headers, body: body && JSON.stringify(body)}).catch(() => null);
	const isJson = answer?.headers.get("Content-Type")?.includes("json");
	const told = isJson ? await answer.json().catch(() => ({})) : {};
	if (answer?.ok) return told;
	const away = !answer || answer.status === 502 || answer.status === 504;
	const detail = Array.isArray(told.detail) ? told.detail[0]?.msg : told.detail; // FastAPI lists what is wrong with a form
	const words = away ? `${language} does not answer: it is not running.` : detail;
	const code = told.type?.replace("urn:sojourn:problem:", "");
	const error = new Error(words ?? `It answered ${answer.status}, and not what was expected.`);
	throw Object.assign(error, {away, status: answer?.status, code, reason: told.end_reason});
}

// Cards: what each back end says

function makeCard(backEnd, index) {
	const root = byId("card").content.cloneNode(true).firstElementChild;
	const find = (selector) => root.querySelector(selector);
	const card = {...backEnd, root, find, isAlive: true, thing: THINGS[index]};
	root.dataset.by = backEnd.name;
	root.setAttribute("aria-label", backEnd.language);
	find(".badge").textContent = backEnd.badge;
	find("h2").textContent = backEnd.language;
	find(".framework").replaceChildren(backEnd.framework, " at ", element("code", {}, `/${backEnd.name}/`));
	find(".add").textContent = `Add ${card.thing}`;
	find(".sign-in").value = backEnd.name;
	find(".add").addEventListener("click", () => act(card, ".add", () => add(card)));
	find(".slow").addEventListener("click", () => act(card, ".slow", () => add(card, 3000)));
	find(".log-out").addEventListener("click", () => act(card, ".log-out", () => logOut(card)));
	byId("back-ends").append(root);
	byId("race-at").append(element("option", {value: backEnd.name}, backEnd.language));
	return card;
}

async function read(card) {
	// Of two answers that are under way, the later question's counts.
	const question = (card.question = Symbol());
	const told = await ask(card, "", undefined, "GET").catch((error) => error);
	if (question !== card.question) return;
	const wasAway = !card.isAlive;
	card.isAlive = !(told instanceof Error);
	card.user = told.user;
	show(card, card.isAlive ? told : {user: null, ended: null, data: {}});
	if (wasAway || !card.isAlive) say(card, told.message ?? "", !card.isAlive);
}

async function readAll() {
	await Promise.all(cards.map(read));
	// Nobody has to be asked for this: all of them say the same.
	const user = living()[0]?.user;
	document.body.toggleAttribute("data-user", !!user);
	byId("presence").textContent = user ? `Signed in as ${user}` : "Nobody is signed in";
	byId("log-out").hidden = !user;
	byId("race").disabled = !user;
}

function show({root, find, isAlive}, {user, ended, data}) {
	const {cart = [], additions = 0} = data;
	root.dataset.status = !isAlive ? "away" : user ? "known" : "unknown";
	find(".user").textContent = !isAlive ? "Not running" : user ? user : "Nobody";
	find(".reason").textContent = !isAlive ? "" : user ? "is signed in" : ended ? `signed out: ${ended}` : "is signed in";
	find(".count").textContent = additions || "";
	find(".things").replaceChildren(...cart.map(({thing, by}) => element("li", {"data-by": by}, thing)));
	find(".keys").replaceChildren(
		...BACK_ENDS.flatMap(({name, language}) => [
			element("dt", {"data-by": name}, language),
			element("dd", {}, data[name] ?? "–"),
		]),
	);
	for (const button of root.querySelectorAll(".actions button")) button.disabled = !isAlive;
	find(".sign-in").hidden = !!user;
	find(".log-out").hidden = !user;
}

function say(card, words, isBad = false) {
	card.find(".message").textContent = words;
	card.find(".message").classList.toggle("bad", isBad);
}

// Actions

async function act(card, selector, work) {
	const button = card.find(selector);
	if (button.ariaBusy === "true") return;
	button.ariaBusy = "true";
	say(card, "");
	try {
		await work();
	} catch (error) {
		say(card, error.reason ? `${error.message} (${error.reason})` : error.message, true);
	}
	button.ariaBusy = null;
	await changed();
}

/** Has the client ask, which tells the other tabs, and every card. */
async function changed() {
	session.refresh().catch(() => {});
	await readAll();
}

async function add(card, wait = 0) {
	await ask(card, wait ? `cart?wait=${wait}` : "cart", {thing: card.thing});
	card.thing = THINGS[(THINGS.indexOf(card.thing) + 3) % THINGS.length];
	card.find(".add").textContent = `Add ${card.thing}`;
}

async function signIn(card) {
	await ask(card, "login", {name: byId("name").value, password: byId("password").value});
	byId("notice").hidden = true;
}

async function logOut(card) {
	await ask(card, "logout");
	// The cookie is gone with the session: the other tabs learn of the reason from here.
	const told = {reason: "logout", at: card.language};
	tabs.postMessage(told);
	tell(told);
}

byId("who").addEventListener("submit", (event) => {
	event.preventDefault();
	// Enter in a field means the first of the buttons.
	const card = cards.find(({name}) => name === event.submitter?.value) ?? living()[0];
	act(card, ".sign-in", () => signIn(card));
});

// The browser client: every tab, and why a session ended

function tell({reason, at}) {
	const where = at ? element("b", {}, `At ${at}: `) : "";
	const close = element("button", {type: "button", class: "close", "aria-label": "Close this notice"}, "×");
	close.addEventListener("click", () => (byId("notice").hidden = true));
	const words = REASONS[reason] ?? "You are signed out: this browser no longer holds the session.";
	byId("notice").dataset.reason = reason ?? "unknown";
	byId("notice").replaceChildren(element("p", {}, where, words), close);
	byId("notice").hidden = false;
}

tabs.addEventListener("message", ({data}) => {
	tell(data);
	changed();
});

session.on("ended", ({reason}) => {
	// Without a reason it comes late: a back end has deleted the cookie, and the tab that had it do so has told why.
	if (reason ? reason !== "replaced" : byId("notice").hidden && !session.state.id) tell({reason});
});

// At once, and after every change that this tab or another has heard of.
session.subscribe(readAll);
session.on("error", ({error}) => {
	byId("presence").textContent = isSessionError(error) ? error.detail || error.code : String(error);
});
byId("log-out").addEventListener("click", () => session.logout().catch(() => {})); // at none of the four: at the service

// Safari keeps no Secure cookie over plain http, localhost included: nothing here can work then, and no click says why.

document.cookie = "probe=1; Secure; SameSite=Lax; Path=/";
if (!document.cookie.includes("probe=1")) {
	byId("notice").hidden = false;
	byId("notice").textContent =
		"This browser keeps no cookie of this page, and so no session. Safari keeps none over plain http, and you may have " +
		"blocked them. Open this page in another browser.";
}
document.cookie = "probe=; Secure; SameSite=Lax; Path=/; Max-Age=0";

// Trials

const result = (card, isGood, words) =>
	element("li", {"data-by": card.name, class: isGood ? "good" : "bad"}, element("b", {}, card.language), " ", words);

async function storm() {
	byId("storm-results").replaceChildren();
	// Where there is no session yet, each of the fifty would begin one.
	if (session.state.status !== "active") await ask(living()[0], "cart", {thing: THINGS[0]});
	const round = Math.random().toString(36).slice(2, 6);
	const names = Array.from({length: 50}, (_, n) => `${round}-${n + 1}`);
	const asked = names.map((thing, n) => ask(living()[n % living().length], "cart", {thing}).then(() => true, () => false));
	const answered = (await Promise.all(asked)).filter(Boolean).length;
	const results = living().map(async (card) => {
		const {data} = await ask(card, "", undefined, "GET");
		const kept = names.filter((name) => data.cart?.some(({thing}) => thing === name)).length;
		return result(card, kept === 50, `sees ${kept} of 50; ${data.additions} additions in all`);
	});
	byId("storm-results").replaceChildren(...(await Promise.all(results)));
	if (answered < 50) byId("storm-results").append(element("li", {class: "bad"}, `${50 - answered} were refused`));
}

async function race() {
	byId("race-results").replaceChildren();
	const racing = living().map(async (card) => {
		const error = await ask(card, "cart?wait=2500", {thing: "too late"}).then(() => null, (error) => error);
		const words = error ? `refused: ${error.status} ${error.code ?? ""}, ${error.reason ?? "no reason"}` : "wrote";
		return result(card, error?.code === "session-ended", words);
	});
	await new Promise((resolve) => setTimeout(resolve, 1000));
	const at = cards.find(({name}) => name === byId("race-at").value);
	await act(at, ".log-out", () => logOut(at));
	byId("race-results").replaceChildren(...(await Promise.all(racing)));
}

function onClick(id, work) {
	const button = byId(id);
	button.addEventListener("click", async () => {
		if (button.ariaBusy === "true") return;
		button.ariaBusy = "true";
		await work().catch((error) => byId(`${id}-results`).replaceChildren(element("li", {class: "bad"}, error.message)));
		button.ariaBusy = null;
		await changed();
	});
}

onClick("storm", storm);
onClick("race", race);
