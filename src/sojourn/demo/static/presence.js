import {byId} from "./elements.js";
import {client} from "./session.js";

const WORDS = {loading: "Asking the server…", none: "No session yet", ended: "Session ended"};

/** The line at the top: who is here. */
export function startPresence() {
	client.subscribe(({status, userId}) => {
		byId("presence").textContent = WORDS[status] ?? (userId === null ? "Anonymous session" : `Signed in as ${userId}`);
		document.body.dataset.status = userId === null ? status : "known";
	});
}
