import {createElement as h, memo, startTransition, StrictMode, useEffect, useLayoutEffect, useState} from "react";
import {hydrateRoot} from "react-dom/client";
import {renderToString} from "react-dom/server";
import {createUseSession} from "sojourn-client/react";
import {session} from "./session.js";

const useSession = createUseSession(session);
const seen = (globalThis.seen = {errors: [], torn: 0, renders: 0});

const Greeting = memo(() => {
	seen.renders++;
	const name = useSession((state) => state.userId);
	return h("p", {id: "greeting"}, `Hello ${name ?? "stranger"}`);
});

/** Slow to render, so that the state changes in between. */
function Slow() {
	const n = useSession((state) => state.data.n ?? 0);
	for (const end = performance.now() + 15; performance.now() < end; );
	return h("li", {}, n);
}

function Numbers({round}) {
	const {status} = useSession();
	useLayoutEffect(() => {
		const shown = new Set([...document.querySelectorAll("li")].map((item) => item.textContent));
		if (shown.size > 1) seen.torn++;
	});
	return h("ul", {"data-status": status, "data-round": round}, Array.from({length: 8}, (_, key) => h(Slow, {key})));
}

function App() {
	const [round, setRound] = useState(0);
	const isNear = useSession((state) => ({near: state.expiring})).near;
	useEffect(() => {
		globalThis.renderAgain = () => startTransition(() => setRound((before) => before + 1));
	}, []);
	return h(StrictMode, {}, h("main", {"data-near": isNear}, h(Greeting), h(Numbers, {round})));
}

export const render = () => renderToString(h(App));

if (globalThis.document) {
	await session.refresh(); // as where the page's script is slow: the state is known before the page hydrates
	hydrateRoot(document.getElementById("root"), h(App), {onRecoverableError: (error) => seen.errors.push(String(error))});
}
