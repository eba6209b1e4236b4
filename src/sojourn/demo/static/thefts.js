import {bound} from "/session/bound.js";
import {createSessionClient} from "/session/client.js";

import {act} from "./action.js";
import {byId, element} from "./elements.js";
import {binds} from "./session.js";

const outcome = (status, text, tone) =>
	element("li", {className: tone}, element("time", {}, String(status)), element("span", {}, text));

/** A session whose token this page looks at, as a script could that got into it; and what a thief gets with that alone. */
async function steal(result, bind) {
	let token;
	const carry = async (request) => {
		const answer = await fetch(request);
		token = answer.headers.get("Sojourn-Token") ?? token;
		return answer;
	};
	const owner = createSessionClient({url: "/session", storage: "memory", transport: bind(carry)});
	try {
		const {bound: key} = await owner.start({name: "its owner"});
		const stolen = await fetch("/session/", {headers: {Authorization: `Bearer ${token}`}, credentials: "omit"});
		const said = await stolen.json();
		const steps = stolen.ok
			? [outcome(stolen.status, `It opens, and greets the thief as “${said.data.name}”.`, "bad")]
			: [outcome(stolen.status, `Refused, ${said.type.split(":").pop()}. ${said.detail}`, "good")];
		if (key) {
			await owner.refresh();
			steps.push(outcome(200, "Its owner, in this page, goes on: the theft ended nothing.", "good"));
		}
		result.replaceChildren(
			element("h4", {}, "The token is yours to try"),
			element("pre", {className: "line", tabIndex: 0}, `curl -i -H "Authorization: Bearer ${token}" ${location.origin}/session/`),
			element("h4", {}, "What it is answered"),
			element("ol", {className: "steps"}, ...steps),
		);
	} finally {
		owner.close();
	}
}

function run(id, bind) {
	const result = byId(`${id}-result`);
	byId(id).addEventListener("click", ({currentTarget}) => {
		const message = element("p", {className: "message"});
		act(currentTarget, message, () => steal(result, bind)).then(() => message.textContent && result.replaceChildren(message));
	});
}

export function startThefts() {
	run("steal-bound", bound);
	run("steal-free", (carry) => carry);
	if (binds) return;
	byId("steal-bound").disabled = true;
	byId("steal-bound-result").replaceChildren(
		element("p", {className: "hint"}, "A proof is for one address, and not for the one that this page was opened by: take the one that the demo printed."),
	);
}
