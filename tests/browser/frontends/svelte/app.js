import {hydrate} from "svelte";
import {render as renderOnServer} from "svelte/server";
import App from "./App.svelte";

globalThis.seen = {errors: []};

export const render = () => renderOnServer(App).body;

if (globalThis.document) {
	await session.refresh(); // as where the page's script is slow: the state is known before the page hydrates
	hydrate(App, {target: document.getElementById("root")});
}
