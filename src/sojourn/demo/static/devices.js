import {act} from "./action.js";
import {since} from "./durations.js";
import {byId, element} from "./elements.js";
import {client} from "./session.js";

const message = byId("devices-message");
const POLL = 3_000;

function row({id, current, device, ip, bound, createdAt, seenAt}) {
	const now = client.state.now;
	const seen = current ? "This is you, now" : `Seen ${since(seenAt, Math.max(now, seenAt))}`;
	const button = element("button", {type: "button", className: "button quiet small"}, current ? "Log out" : "End");
	button.setAttribute("aria-label", `${button.textContent}: ${device ?? "device"}, ${seen}`);
	button.addEventListener("click", () =>
		act(button, message, async () => {
			await client.revoke(id);
			await refresh();
		}),
	);
	const title = element("strong", {}, device ?? "Unknown device");
	const tag = current ? element("span", {className: "tag"}, "This device") : null;
	const facts = `${seen} · since ${since(createdAt, Math.max(now, createdAt))} · from ${ip ?? "an unknown address"} · id ${id.slice(0, 8)}…${bound ? " · bound to its browser's key" : ""}`;
	return element("li", {"data-id": id, "data-current": current}, element("div", {}, title, tag, element("small", {}, facts)), button);
}

async function refresh() {
	if (client.state.userId === null || document.hidden) return;
	// A session that ended meanwhile is told by the client itself.
	const sessions = await client.list().catch(() => []);
	if (client.state.userId !== null && sessions.length) show(sessions.map(row));
}

/** Only what changed is put in place, and the keyboard stays where it was. */
function show(rows) {
	const list = byId("device-list");
	const fresh = element("ul", {}, ...rows);
	if (fresh.innerHTML === list.innerHTML) return;
	const focused = document.activeElement.closest("#device-list li")?.dataset.id;
	list.replaceChildren(...rows);
	if (focused) list.querySelector(`[data-id="${focused}"] button`)?.focus();
}

export function startDevices() {
	client.subscribe(({userId}) => {
		byId("devices-empty").hidden = userId !== null;
		if (userId === null) byId("device-list").replaceChildren();
		else refresh();
	});
	document.addEventListener("devices", refresh);
	document.addEventListener("visibilitychange", refresh);
	setInterval(refresh, POLL);
}
