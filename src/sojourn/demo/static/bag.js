import {act} from "./action.js";
import {byId, element, icon} from "./elements.js";
import {call, client} from "./session.js";

const THINGS = {map: "Map", lantern: "Lantern", boots: "Boots", tea: "Tea", compass: "Compass", book: "Book"};
const message = byId("bag-message");

function shelf() {
	return Object.entries(THINGS).map(([thing, name]) => {
		const button = element("button", {type: "button", className: "thing", title: `Add: ${name}`}, icon(thing), name);
		button.addEventListener("click", () => act(button, message, () => call("POST", "/demo/cart", {thing})));
		return button;
	});
}

function row({thing, id}) {
	const name = THINGS[thing] ?? "Something";
	const button = element("button", {type: "button", className: "remove", "aria-label": `Remove ${name}`}, "×");
	button.addEventListener("click", () => act(button, message, () => call("DELETE", `/demo/cart/${id}`)));
	return element("li", {}, icon(thing), element("span", {}, name), button);
}

function show({data}) {
	const cart = Array.isArray(data.cart) ? data.cart : [];
	byId("things").replaceChildren(...cart.map(row));
	byId("bag-empty").hidden = cart.length > 0;
	byId("bag-count").textContent = cart.length || "";
	byId("stamps").textContent = data.stamps ?? 0;
	byId("stamp-less").disabled = !data.stamps;
}

export function startBag() {
	byId("shelf").replaceChildren(...shelf());
	for (const [id, by] of [
		["stamp-less", -1],
		["stamp-more", 1],
	]) {
		byId(id).addEventListener("click", ({currentTarget}) =>
			act(currentTarget, message, () => call("POST", "/demo/stamps", {by})),
		);
	}
	client.subscribe(show);
}
