import type {Transport} from "./types.js";

export const fetchTransport: Transport = (request) => fetch(request);

export const xhrTransport: Transport = async (request) => {
	const {method, url, headers, credentials, signal} = request;
	const body = await request.arrayBuffer();
	signal.throwIfAborted();
	return new Promise((resolve, reject) => {
		const xhr = new XMLHttpRequest();
		xhr.open(method, url);
		xhr.responseType = "arraybuffer";
		xhr.withCredentials = credentials === "include";
		headers.forEach((value, name) => xhr.setRequestHeader(name, value));
		xhr.onload = () => {
			const {status, statusText, response} = xhr;
			const lines = xhr.getAllResponseHeaders().matchAll(/^(.+?): (.*)$/gm);
			const answer = new Response(
				// With these a Response refuses even an empty body.
				[204, 205, 304].includes(status) ? null : response,
				{status, statusText, headers: [...lines].map(([, name, value]) => [name!, value!])},
			);
			resolve(Object.defineProperty(answer, "url", {value: xhr.responseURL}));
		};
		xhr.onerror = xhr.onabort = () => reject(signal.reason ?? new TypeError("Network error"));
		signal.addEventListener("abort", () => xhr.abort());
		// An empty body would add a Content-Type.
		xhr.send(body.byteLength ? body : null);
	});
};
