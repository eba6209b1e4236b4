import {vi} from "vitest";
import {createSessionClient, type SessionClient, type SessionClientOptions, type SessionEvents, type Transport} from "../src/index.js";
import type {TestServer} from "./server.js";

/** How many requests are under way. */
let flying = 0;

/** A cookie jar around `fetch`, as Node has none. */
export function cookieJar(): {transport: Transport; cookie: string} {
	const jar = {
		cookie: "",
		async transport(request: Request): Promise<Response> {
			if (jar.cookie && request.credentials !== "omit") request.headers.set("Cookie", jar.cookie);
			flying++;
			const response = await fetch(request).finally(() => flying--);
			for (const line of response.headers.getSetCookie()) jar.cookie = /Max-Age=0/.test(line) ? "" : line.split(";")[0]!;
			return response;
		},
	};
	return jar;
}

/** Enough of a page for the client to live in; what a page does is tried in real browsers, in tests/browser. */
export function stubPage(server: TestServer): {window: EventTarget} {
	const window = new EventTarget();
	vi.stubGlobal("location", {href: server.url + "/page"});
	vi.stubGlobal("addEventListener", window.addEventListener.bind(window));
	return {window};
}

export interface Tab {
	client: SessionClient;
	/** What its listeners were told, in order: "active", "near", "expiring 60", "ended logout", … */
	seen: string[];
	errors: unknown[];
}

const opened: SessionClient[] = [];

export function openTab(server: TestServer, options: Partial<SessionClientOptions> = {}): Tab {
	const client = createSessionClient({url: server.url + "/session", ...options});
	const tab: Tab = {client, seen: [], errors: []};
	opened.push(client);
	client.subscribe(({status, expiring}) => tab.seen.push(expiring ? "near" : status));
	client.on("expiring", ({secondsLeft}: SessionEvents["expiring"]) => tab.seen.push(`expiring ${secondsLeft}`));
	client.on("ended", ({reason}) => tab.seen.push(`ended ${reason}`));
	client.on("error", ({error}) => tab.errors.push(error));
	return tab;
}

export function closeTabs(): void {
	for (const client of opened.splice(0)) client.close();
}

const immediate = setImmediate;

/** Waits for real I/O, whatever the fake clock shows. */
export async function until(isTrue: () => unknown, what: string = String(isTrue)): Promise<void> {
	for (let turn = 0; turn < 20_000; turn++) {
		if (isTrue()) return;
		await new Promise((resolve) => immediate(resolve));
	}
	throw new Error(`never: ${what}`);
}

/** Lets what is under way come to rest. */
export async function settle(): Promise<void> {
	const end = performance.now() + 60;
	while (performance.now() < end) await new Promise((resolve) => immediate(resolve));
}

/** Moves the fake clock on, a little at a time, so that answers come in between. */
export async function pass(ms: number, step = 1_000): Promise<void> {
	for (let left = ms; left > 0; left -= step) {
		await vi.advanceTimersByTimeAsync(Math.min(step, left));
		const end = performance.now() + 100;
		for (let turn = 0; turn < 12 || (flying && performance.now() < end); turn++) {
			await new Promise((resolve) => immediate(resolve));
		}
	}
	await settle();
}

/** A promise and its key. */
export function gate(): {passed: Promise<void>; open: () => void} {
	let open!: () => void;
	const passed = new Promise<void>((resolve) => (open = resolve));
	return {passed, open};
}
