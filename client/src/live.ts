import type {SessionClient, SessionState} from "./types.js";

// The server says something every 15 s, if only that it is there.
const SILENCE = 40_000;
const LONGEST_PAUSE = 30_000;

/** Where the stream is. */
export interface LiveOptions {
	/** As the client's own. */
	readonly url: string;
}

/**
 * Has the server tell of what happens elsewhere: an end, a change of the data, activity. One tab of a browser holds the
 * stream, and what it learns all tabs know; where it closes, another one goes on. Returns its undo.
 *
 * The stream keeps no session alive. Where the server has none, or the browser no locks, the client asks as ever. A stream
 * that breaks off is opened anew, later each time, and begins with the state as it is then: nothing is missed. It goes
 * through the client's `fetch`, with its token; `xhr` cannot stream.
 */
export function live(session: SessionClient<any>, {url}: LiveOptions): () => void {
	const closing = new AbortController();
	const path = url.replace(/\/$/, "") + "/events";
	let stream: AbortController | undefined;
	let followed: string | null = null;

	function follow({status, id}: SessionState<any>) {
		const next = status === "active" ? id : null;
		if (next === followed) return;
		leave();
		followed = next;
		if (!next || closing.signal.aborted) return;
		const {signal} = (stream = new AbortController());
		// What is refused, or not waited for any more, leaves the client as it is without a stream.
		navigator.locks?.request("sojourn:live:" + new URL(path, document.baseURI).href, {signal}, () => listen(signal)).catch(() => {});
	}

	function leave() {
		stream?.abort();
		followed = null;
	}

	async function listen(signal: AbortSignal): Promise<void> {
		let failures = 0;
		while (!signal.aborted) {
			const mayHelp = await read(signal, () => (failures = 0)).catch(() => true);
			if (!mayHelp) return;
			const ms = Math.min(500 * 2 ** failures++, LONGEST_PAUSE) * (0.5 + Math.random());
			await new Promise((resolve) => {
				setTimeout(resolve, ms);
				signal.addEventListener("abort", resolve);
			});
		}
	}

	/** One stream, to its end; whether another one may help. */
	async function read(signal: AbortSignal, heard: () => void): Promise<boolean> {
		const stop = new AbortController();
		const abort = () => stop.abort();
		let timer = setTimeout(abort, SILENCE);
		signal.addEventListener("abort", abort, {signal: stop.signal});
		try {
			const {ok, status, body} = await session.fetch(path, {cache: "no-store", signal: stop.signal});
			if (!ok || !body) return status > 501 || status === 429;
			const reader = body.pipeThrough(new TextDecoderStream()).getReader();
			for (let rest = ""; ; ) {
				const {done, value} = await reader.read();
				if (done) return true;
				heard();
				clearTimeout(timer);
				timer = setTimeout(abort, SILENCE);
				const events = (rest + value).split("\n\n");
				rest = events.pop()!;
				for (const event of events) {
					const data = /^event: state$[^]*^data: (.*)/m.exec(event)?.[1];
					if (data) void heed(JSON.parse(data));
				}
			}
		} finally {
			clearTimeout(timer);
			abort();
		}
	}

	/** Asks the server, whose answers the client puts in order, if it told more than is known. */
	async function heed(told: any): Promise<void> {
		const isNews = ({id, status, version, seenAt}: SessionState<any>) =>
			id === told.id && (status !== told.status || version! < told.version || seenAt! < told.seen_at);
		// A request that is under way already may have left too early: then once more.
		for (let attempt = 0; attempt < 3 && isNews(session.state); attempt++) await session.refresh().catch(() => {});
	}

	const undo = session.subscribe(follow);
	// A page that is kept for the Back button must hold no lock, or it is not kept.
	addEventListener("pagehide", leave, {signal: closing.signal});
	addEventListener("pageshow", () => follow(session.state), {signal: closing.signal});
	return () => {
		closing.abort();
		undo();
		leave();
	};
}
