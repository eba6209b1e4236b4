// An Express application on a free port, and browsers that come to it.
import {once} from "node:events";
import express4 from "express4";
import express5 from "express";
import {NAME} from "./service.js";

export const VERSIONS = [
	["Express 4", express4],
	["Express 5", express5],
];

const running = new Set();

export async function listen(app) {
	app.set?.("env", "test");
	const server = app.listen(0, "127.0.0.1");
	running.add(server);
	await once(server, "listening");
	return `http://127.0.0.1:${server.address().port}`;
}

export function closeAll() {
	for (const server of running) {
		server.closeAllConnections();
		server.close();
	}
	running.clear();
}

/** A browser: it keeps the cookie. Two tabs are two calls at once. */
export function visitor(url, token = null) {
	const browser = {
		token,
		/** Every Set-Cookie so far. */
		told: [],
		async get(path, {method = "GET", headers = {}, ...init} = {}) {
			const cookie = browser.token === null ? {} : {cookie: `theme=dark; ${NAME}=${browser.token}`};
			const response = await fetch(url + path, {method, headers: {...cookie, ...headers}, redirect: "manual", ...init});
			for (const text of response.headers.getSetCookie()) {
				browser.told.push(text);
				const [, value] = /^__Host-session=([^;]*)/.exec(text) ?? [];
				if (value !== undefined) browser.token = value || null;
			}
			const body = await response.text();
			return {status: response.status, headers: response.headers, body, json: () => JSON.parse(body)};
		},
		post: (path, init) => browser.get(path, {method: "POST", ...init}),
	};
	return browser;
}

export function problem(answer) {
	const {type, status, end_reason} = answer.json();
	return {
		status: answer.status,
		code: type.replace("urn:sojourn:problem:", ""),
		...(end_reason && {endReason: end_reason}),
		...(answer.headers.get("content-type") !== "application/problem+json" && {contentType: answer.headers.get("content-type")}),
		...(answer.headers.get("x-content-type-options") !== "nosniff" && {sniffed: true}),
		...(status !== answer.status && {said: status}),
	};
}
