import {act} from "./action.js";
import {running} from "./durations.js";
import {byId, element} from "./elements.js";
import {sentence} from "./reasons.js";
import {client} from "./session.js";

const dialog = byId("warning");
const notice = byId("notice");
const SIGNED_IN = {
	over: "Time to sign in again",
	idle: "You will be signed out when the time is up. One press, here or in another tab, and you go on.",
	absolute: "This session reaches its longest time, which nothing extends. Finish what you are at, then sign in again.",
	stay: "Stay signed in",
	leave: "Log out now",
};
const ANONYMOUS = {
	over: "Nearly over",
	idle: "This session ends when the time is up, and what is in it goes. One press, here or in another tab, and you go on.",
	absolute: "This session reaches its longest time, which nothing extends. The next thing that you do starts a new one.",
	stay: "Keep this session",
	leave: "End it now",
};
const SPOKEN_AT = [20, 10, 5];
/** The session as it was while it lived. */
let last = null;
let spokenAt = null;
/** The end that nothing puts off, and that was acknowledged. */
let acknowledged = null;

/** Whether "stay" helps: nothing extends a session past its absolute limit. */
const canStay = ({expiresAt, absoluteExpiresAt}) => expiresAt < absoluteExpiresAt;

function warn(state) {
	const words = state.userId === null ? ANONYMOUS : SIGNED_IN;
	byId("warning-title").textContent = canStay(state) ? "Still there?" : words.over;
	// Read aloud with the dialog, as its description; the running number is for the eye.
	byId("warning-text").textContent = `${client.secondsLeft()} seconds left. ${canStay(state) ? words.idle : words.absolute}`;
	byId("warning-spoken").textContent = "";
	byId("warning-stay").textContent = canStay(state) ? words.stay : "All right";
	byId("warning-leave").textContent = words.leave;
	byId("warning-message").textContent = "";
	const seconds = client.secondsLeft();
	// What the description says need not be said twice.
	spokenAt = SPOKEN_AT.find((moment) => seconds <= moment && seconds > moment - 2) ?? null;
	tick();
	dialog.showModal();
}

function tick() {
	const seconds = client.secondsLeft();
	if (seconds === null) return;
	byId("warning-left").textContent = running(seconds);
	// A screen reader hears a few numbers, not each of them.
	const due = SPOKEN_AT.find((moment) => seconds <= moment && seconds > moment - 2);
	if (due && due !== spokenAt) {
		spokenAt = due;
		byId("warning-spoken").textContent = `${seconds} seconds left.`;
	}
}

function stay() {
	if (!canStay(client.state)) {
		acknowledged = client.state.expiresAt;
		return dialog.close();
	}
	act(byId("warning-stay"), byId("warning-message"), async () => {
		await client.touch();
	});
}

function tell({reason}) {
	const [title, text] = sentence(reason, last);
	const close = element("button", {type: "button", className: "remove", "aria-label": "Close this notice"}, "×");
	close.addEventListener("click", () => (notice.hidden = true));
	notice.dataset.reason = reason ?? "unknown";
	notice.replaceChildren(element("div", {}, element("strong", {}, title), " ", text), close);
	notice.hidden = false;
	notice.scrollIntoView({block: "nearest"});
}

function show(state) {
	if (state.status === "active") {
		last = state;
		notice.hidden = true;
	}
	// "Stay signed in" in one tab closes the dialog in all.
	if (!state.expiring) dialog.close();
	else if (!dialog.open && state.expiresAt !== acknowledged) warn(state);
}

export function startNotices() {
	client.on("ended", tell);
	client.subscribe(show);
	byId("warning-stay").addEventListener("click", stay);
	byId("warning-leave").addEventListener("click", ({currentTarget}) => act(currentTarget, byId("warning-message"), client.logout));
	setInterval(() => dialog.open && tick(), 250);
}
