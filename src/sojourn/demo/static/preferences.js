import {act} from "./action.js";
import {byId} from "./elements.js";
import {begin, client} from "./session.js";

const root = document.documentElement;
const greet = byId("greet");
const section = byId("preferences");
const message = byId("preferences-message");
const THEMES = ["auto", "light", "dark"];
const ACCENTS = ["sea", "moss", "rust", "plum", "sky"];

const known = (value, choices) => (choices.includes(value) ? value : choices[0]);

async function keep(values) {
	await begin();
	await client.set(values);
}

function show({status, userId, data}) {
	if (status === "loading") return;
	const theme = known(data.theme, THEMES);
	const accent = known(data.accent, ACCENTS);
	const name = typeof data.name === "string" ? data.name : "";
	Object.assign(root.dataset, {theme, accent});
	section.querySelector(`[name=theme][value=${theme}]`).checked = true;
	section.querySelector(`[name=accent][value=${accent}]`).checked = true;
	if (document.activeElement !== greet) greet.value = name;
	byId("greeting").textContent = `${hello()}, ${name.trim() || userId || "traveller"}.`;
}

function hello() {
	const hour = new Date().getHours();
	if (hour < 5 || hour >= 22) return "Still up";
	return hour < 12 ? "Good morning" : hour < 18 ? "Good afternoon" : "Good evening";
}

export function startPreferences() {
	section.addEventListener("change", ({target}) => {
		if (target.type === "radio") act(target, message, () => keep({[target.name]: target.value}));
	});
	let typing;
	const later = () => {
		clearTimeout(typing);
		typing = setTimeout(save, 300);
	};
	// What is typed while a write is under way waits for its own.
	const save = () => (greet.ariaBusy === "true" ? later() : act(greet, message, () => keep({name: greet.value.trim()})));
	greet.addEventListener("input", later);
	client.subscribe(show);
}
