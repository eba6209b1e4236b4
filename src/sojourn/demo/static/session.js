import {bound} from "/session/bound.js";
import {createSessionClient} from "/session/client.js";

const query = new URLSearchParams(location.search);
const chosen = (name, choices) => (choices.includes(query.get(name)) ? query.get(name) : choices[0]);

/** How this page keeps its token and sends it: chosen in the address. */
export const mode = {
	storage: chosen("storage", ["cookie", "local"]),
	transport: chosen("transport", ["fetch", "xhr"]),
};

/** WCAG 2.2.1: at least 20 seconds to answer a warning. Shorter only for a test in a hurry. */
export const warnBefore = Number(query.get("warn")) || 20;

/** Whether the server takes proofs for the address that this page was opened by. */
export const binds = document.body.dataset.binds === "yes";

/** The browser's half of the session. What a script can read of it is bound to a key that none can. */
export const client = createSessionClient({
	url: "/session",
	warnBefore,
	storage: mode.storage,
	transport: mode.storage === "local" && binds ? bound(mode.transport) : mode.transport,
});

/** The timeout that the next session gets. */
export const timeout = {choice: "usual"};

/** What a handler refused, in its own words. */
export class Refusal extends Error {
	constructor({status}, problem) {
		super(problem.detail ?? `The server answered ${status}.`);
		this.status = status;
		this.endReason = problem.end_reason ?? null;
	}
}

/** Asks one of this site's own handlers, through the client: so a log-in shows in every tab at once. */
export async function call(method, path, body, through = client) {
	const response = await through.fetch(`${path}?timeout=${timeout.choice}`, {
		method,
		...(body && {body: JSON.stringify(body), headers: {"Content-Type": "application/json"}}),
	});
	const answer = await response.json().catch(() => ({}));
	if (!response.ok) throw new Refusal(response, answer);
	return answer;
}

/** Sees that there is a session to write to: one with the chosen limits. */
export async function begin() {
	if (client.state.status === "active") return;
	if (timeout.choice === "usual") await client.start();
	else await call("POST", "/demo/begin");
}
