import {fetchTransport, xhrTransport} from "./transport.js";
import type {Transport} from "./types.js";

const HASH = "SHA-256";
const KEYS = "keys";
const NAME = "P-256";

const utf8 = (text: string) => new TextEncoder().encode(text);

const base64url = (bytes: ArrayBuffer | Uint8Array) =>
	btoa(String.fromCharCode(...new Uint8Array(bytes))).replace(/[+/=]/g, (letter) => ({"+": "-", "/": "_"})[letter] ?? "");

/** This origin's key, made where there is none: one for all tabs. No script can read its private half. */
async function keyPair(): Promise<CryptoKeyPair> {
	const made = await crypto.subtle.generateKey({name: "ECDSA", namedCurve: NAME}, false, ["sign"]);
	return new Promise((resolve, reject) => {
		const opening = indexedDB.open("sojourn");
		opening.onupgradeneeded = () => opening.result.createObjectStore(KEYS);
		opening.onerror = () => reject(opening.error);
		opening.onsuccess = () => {
			// Of tabs that make one at once the first one's stays.
			const transaction = opening.result.transaction(KEYS, "readwrite");
			const keys = transaction.objectStore(KEYS);
			const found = keys.get(NAME);
			found.onsuccess = () => found.result || keys.put(made, NAME);
			transaction.onabort = () => reject(transaction.error);
			transaction.oncomplete = () => {
				opening.result.close();
				resolve(found.result ?? made);
			};
		};
	});
}

/**
 * A transport for a session whose token opens nothing without this browser's key: each request of the client is signed
 * with it (DPoP, RFC 9449). With a `storage` of `cookie`, which this page's own server keeps, what changes something is,
 * so that a log-in is, and what the server asks for: the token is then not renewed without. For a server whose policy
 * binds sessions. Where the browser keeps no keys, requests go as they are: the server then says whether it takes them.
 */
export function bound(transport: "fetch" | "xhr" | Transport = "fetch"): Transport {
	const carry = transport === "fetch" ? fetchTransport : transport === "xhr" ? xhrTransport : transport;
	const pair = keyPair().catch((error: unknown) => console.warn("sojourn: this session is not bound:", error));
	let nonce: string | undefined;
	/** By how many milliseconds the server's clock is ahead. */
	let ahead = 0;

	/** The answer to `request`, of which it learns what the next proof must hold. */
	async function carryOn(request: Request): Promise<Response> {
		const response = await carry(request);
		const next = response.headers.get("DPoP-Nonce");
		if (next) {
			nonce = next;
			ahead = parseInt(next) * 1000 - Date.now();
		}
		return response;
	}

	async function send(request: Request, {privateKey, publicKey}: CryptoKeyPair): Promise<Response> {
		const {headers, method, url} = request;
		const token = /^Bearer (sj1-.+)/.exec(headers.get("Authorization")!)?.[1];
		const {kty, crv, x, y} = await crypto.subtle.exportKey("jwk", publicKey);
		const said = [
			{typ: "dpop+jwt", alg: "ES256", jwk: {kty, crv, x, y}},
			{
				jti: crypto.randomUUID(),
				htm: method,
				htu: url.replace(/[?#].*/, ""),
				iat: Math.floor((Date.now() + ahead) / 1000),
				nonce,
				ath: token && base64url(await crypto.subtle.digest(HASH, utf8(token))),
			},
		];
		const text = said.map((part) => base64url(utf8(JSON.stringify(part)))).join(".");
		const signature = await crypto.subtle.sign({name: "ECDSA", hash: HASH}, privateKey, utf8(text));
		headers.set("DPoP", text + "." + base64url(signature));
		if (token) headers.set("Authorization", "DPoP " + token);
		return carryOn(request);
	}

	return async (request) => {
		const key = await pair;
		const {url, method} = request;
		// Only what the client put its token's sign on, or would have; what has a cookie in its place, to this page's server.
		const isBearer = request.headers.has("Sojourn-Transport");
		if (!key || !(isBearer || new URL(url).origin === origin)) return carry(request);
		const again = request.clone();
		const isPlain = !isBearer && /^(GET|HEAD|OPTIONS)$/.test(method);
		let response = await (isPlain ? carryOn(request) : send(request, key));
		const isAsked = response.headers.has("DPoP-Nonce");
		// The token is to be renewed, for a proof. What came without one is good too.
		if (isPlain && isAsked && response.ok) return send(again, key).then((renewed) => (renewed.ok ? renewed : response), () => response);
		if (response.status !== 401 || (isPlain && !isAsked)) return response;
		if (response.url && response.url !== url.replace(/#.*/, "")) {
			// The proof was for where the redirect came from.
			const {headers, credentials, signal} = again;
			const isHere = new URL(response.url).origin === new URL(url).origin;
			return isHere ? send(new Request(response.url, {headers, credentials, signal}), key) : response;
		}
		if (isBearer ? /use_dpop_nonce/.test(response.headers.get("WWW-Authenticate")!) : isAsked) response = await send(again.clone(), key);
		if (response.status !== 401 || response.headers.get("Sojourn-Token") !== "none") return response;
		// The session is bound to another key, which this browser has lost: to it the token is worth nothing.
		again.headers.delete("Authorization");
		const {body, status, statusText, headers} = await send(again, key);
		const told = new Headers(headers);
		if (!told.has("Sojourn-Token")) told.set("Sojourn-Token", "none");
		return new Response(body, {status, statusText, headers: told});
	};
}
