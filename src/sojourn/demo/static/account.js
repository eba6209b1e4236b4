import {act} from "./action.js";
import {since} from "./durations.js";
import {byId} from "./elements.js";
import {call, client} from "./session.js";

const form = byId("account-form");
const home = byId("account-home");
const WORDS = ["amber", "brook", "cedar", "delta", "ember", "fjord", "grove", "harbour", "islet", "juniper", "lagoon", "meadow"];

/** Who was signed in. */
let last = null;

const purpose = () => form.elements.purpose.value;

function choose() {
	const isNew = purpose() === "sign-up";
	form.querySelector("[type=submit]").textContent = isNew ? "Sign up" : "Sign in";
	form.elements.password.autocomplete = isNew ? "new-password" : "current-password";
	form.elements.password.minLength = isNew ? 8 : 1;
	byId("invent").hidden = !isNew;
	byId("account-message").textContent = "";
}

function fill(what, name) {
	form.elements.purpose.value = what;
	form.elements.name.value = name;
	choose();
}

function invent() {
	const random = (size) => crypto.getRandomValues(new Uint32Array(1))[0] % size;
	const word = () => WORDS[random(WORDS.length)];
	fill("sign-up", `${word()}-${1000 + random(9000)}`);
	form.elements.password.value = `${word()} ${word()} ${word()} ${random(100)}`;
	form.elements.password.type = "text";
	byId("account-message").classList.remove("bad");
	byId("account-message").textContent = "Note the two, if you want to come back.";
}

async function enter() {
	const {name, password, remember} = form.elements;
	await call("POST", `/demo/${purpose()}`, {
		name: name.value.trim(),
		password: password.value,
		remember: remember.checked,
	});
	form.reset();
	password.type = "password";
	choose();
}

function show(state) {
	const {status, userId, authenticatedAt, now} = state;
	form.hidden = userId !== null || status === "loading";
	home.hidden = userId === null;
	if (userId === null) {
		// Whoever was here finds the form as they need it.
		if (status === "ended" && last) fill("sign-in", last);
		last = null;
		return;
	}
	last = userId;
	byId("account-name").textContent = `You are ${userId}.`;
	byId("account-since").textContent = `Signed in ${since(authenticatedAt, now)}, as session ${state.id.slice(0, 8)}…`;
	byId("home-message").textContent = "";
}

export function startAccount() {
	form.addEventListener("change", ({target}) => target.name === "purpose" && choose());
	form.addEventListener("submit", (event) => {
		event.preventDefault();
		act(form, byId("account-message"), enter);
	});
	byId("invent").addEventListener("click", invent);
	byId("log-out").addEventListener("click", ({currentTarget}) => act(currentTarget, byId("home-message"), client.logout));
	byId("log-out-others").addEventListener("click", ({currentTarget}) =>
		act(currentTarget, byId("home-message"), async () => {
			const ended = await client.revokeOthers();
			document.dispatchEvent(new Event("devices"));
			return ended ? `Ended elsewhere: ${ended}.` : "You are signed in nowhere else.";
		}),
	);
	client.subscribe(show);
}
