import {act} from "./action.js";
import {atClock, running, spoken} from "./durations.js";
import {byId} from "./elements.js";
import {call, client, timeout, warnBefore} from "./session.js";

const choices = byId("timeouts");
const message = byId("clock-message");
const IDLE = {30_000: "30", 60_000: "60"};
let shownId = null;

function tick() {
	const seconds = client.secondsLeft();
	const {idleTimeout} = client.state;
	byId("left").textContent = seconds === null ? "-:--" : running(seconds);
	byId("bar-left").textContent = seconds === null ? "" : `${running(seconds)} left`;
	byId("track").style.setProperty("--share", seconds === null ? 0 : Math.min(1, (seconds * 1000) / idleTimeout));
	document.body.classList.toggle("ending", seconds !== null && seconds <= warnBefore);
}

function limits({status, idleTimeout, absoluteExpiresAt}) {
	if (status !== "active") return "No session, so no clock. The first thing that you do starts one.";
	return `Ends after ${spoken(idleTimeout)} without activity, and in any case at ${atClock(absoluteExpiresAt)}. Looking on, as this panel does, is not activity.`;
}

function show(state) {
	byId("limits").textContent = limits(state);
	byId("stay").disabled = state.status !== "active";
	byId("stay").textContent = state.userId === null ? "Keep this session" : "Stay signed in";
	if (state.status !== "active") message.textContent = "";
	else if (state.id !== shownId) {
		shownId = state.id;
		// What another tab chose shows here too.
		select(IDLE[state.idleTimeout] ?? (timeout.choice === "usual" || state.userId ? timeout.choice : "usual"));
	}
	tick();
}

function select(choice) {
	timeout.choice = choice;
	choices.querySelector(`[value="${choice}"]`).checked = true;
}

async function choose(choice) {
	timeout.choice = choice;
	if (client.state.userId !== null) return "From your next sign-in on: a session keeps the limits that it was given.";
	const wasThere = client.state.status === "active";
	await call("POST", "/demo/begin");
	return wasThere && "A session keeps the limits that it was given, so this is a new one, with your data.";
}

export function startCountdown() {
	choices.addEventListener("change", ({target}) => act(target, message, () => choose(target.value)));
	byId("choose-30").addEventListener("click", ({currentTarget}) => {
		byId("clock").scrollIntoView({block: "nearest"});
		const choice = choices.querySelector('[value="30"]');
		choice.focus();
		choice.checked = true;
		act(currentTarget, message, () => choose(choice.value));
	});
	byId("stay").addEventListener("click", ({currentTarget}) =>
		act(currentTarget, message, async () => {
			await client.touch();
		}),
	);
	client.subscribe(show);
	setInterval(tick, 250);
}
