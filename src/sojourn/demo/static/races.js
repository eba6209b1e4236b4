import {createSessionClient} from "/session/client.js";

import {act} from "./action.js";
import {byId, element} from "./elements.js";
import {begin, call, mode} from "./session.js";

const LANES = 50;
const HEAD_START = 400;

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const inSeconds = (ms) => `${(ms / 1000).toFixed(2)} s`;

function meter(name, kept, lanes, note) {
	const bar = element("span", {className: "meter", role: "img", "aria-label": `${kept} of ${lanes}`}, element("span"));
	bar.style.setProperty("--share", kept / lanes);
	return element(
		"div",
		{className: kept === lanes ? "score" : "score lost"},
		element("span", {}, name),
		element("b", {}, `${kept} of ${lanes}`),
		bar,
		note ? element("small", {}, note) : null,
	);
}

async function parallel() {
	const result = byId("parallel-result");
	result.replaceChildren(element("p", {className: "hint"}, "50 requests are on their way…"));
	await begin();
	await call("DELETE", "/demo/race");
	const from = performance.now();
	const lanes = Array.from({length: LANES}, (_, number) => call("POST", `/demo/race/${number}`));
	const answers = await Promise.allSettled(lanes);
	const took = performance.now() - from;
	const refused = answers.filter(({status}) => status === "rejected").length;
	const kept = await call("DELETE", "/demo/race");
	result.replaceChildren(
		element("h4", {}, `Sojourn, in ${inSeconds(took)}`),
		meter("Keys of their own", kept.keys, LANES),
		meter("One shared list", kept.list, LANES),
		meter("One counter", kept.counter, LANES),
		element("h4", {}, "Elsewhere"),
		meter("The last write wins", kept.last_write_wins, LANES, "Measured: a copy, loaded and written back whole by the same requests. Your browser sends about six at a time; with all 50 at once it would be 1."),
		meter("A lock for each session", LANES, LANES, `Keeps all, one after another: ${inSeconds(LANES * kept.work * 1000)} at least.`),
		element("p", {className: "hint"}, refused ? `${refused} requests were refused.` : "What the race wrote is tidied up again; your bag never noticed."),
	);
}

/** A session made for the race alone, in this page's memory: the visitor stays signed in. */
async function final() {
	const steps = element("ol", {className: "steps"});
	byId("final-result").replaceChildren(steps);
	const racer = createSessionClient({url: "/session", storage: "memory", transport: mode.transport});
	const from = performance.now();
	const step = (text, tone = "") =>
		steps.append(element("li", {className: tone}, element("time", {}, inSeconds(performance.now() - from)), element("span", {}, text)));
	try {
		const {id} = await racer.start();
		step(`A session for this race alone, id ${id.slice(0, 8)}…, so that yours stays. The slow request starts.`);
		const slow = call("POST", "/demo/slow", undefined, racer).then(
			() => step("The late write went through. That must not happen!", "bad"),
			(error) => step(`The slow request wants to write, and is refused: ${error.status} session-ended, ${error.endReason}.`, "good"),
		);
		await sleep(HEAD_START);
		await racer.logout();
		step("Logged out, while the slow request is still at work.");
		await slow;
		const {record} = await (await racer.fetch(`/demo/inspector?ended=${id}`)).json();
		const stays = record?.end_reason === "logout" && Object.keys(record.data).length === 0;
		step(stays ? "In the store: ended, logout, no data. A log-out is final." : "The record is not what it should be.", stays ? "good" : "bad");
	} finally {
		racer.close();
	}
}

export function startRaces() {
	const run = (id, out, task) =>
		byId(id).addEventListener("click", ({currentTarget}) => {
			const message = element("p", {className: "message"});
			act(currentTarget, message, task).then(() => message.textContent && byId(out).append(message));
		});
	run("run-parallel", "parallel-result", parallel);
	run("run-final", "final-result", final);
}
