import {byId} from "./elements.js";
import {client, mode} from "./session.js";

/** What a script finds, the token masked: all that keeps it from more is that this one is kind. */
function readable() {
	const found = /sj1-([0-9a-f]{4})/.exec(mode.storage === "local" ? JSON.stringify({...localStorage}) : document.cookie);
	if (found) return `sj1-${found[1]}…••• (all of it: this page merely masks it)`;
	return mode.storage === "local" ? "nothing yet: there is no session" : "nothing: document.cookie does not hold it";
}

export function startModes() {
	for (const [name, value] of Object.entries(mode)) {
		byId(name).querySelector(`[value=${value}]`).checked = true;
		byId(name).addEventListener("change", ({target}) => {
			const query = new URLSearchParams({...mode, [name]: target.value});
			location.search = query;
		});
	}
	for (const id of ["second-tab", "third-tab"]) byId(id).href = `/${location.search}`;
	client.subscribe(() => (byId("readable").textContent = readable()));
}
