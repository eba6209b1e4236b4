import type {Transport} from "./types.js";

export const fetchTransport: Transport = (request) => fetch(request);

export const xhrTransport: Transport = async (request) => {
	const {method, url, headers, credentials, signal} = request;
	const body = await request.blob();
	signal.throwIfAborted();
	return new Promise((resolve, reject) => {
		const xhr = new XMLHttpRequest();
		xhr.open(method, url);
		xhr.responseType = "blob";
		xhr.withCredentials = credentials === "include";
		headers.forEach((value, name) => xhr.setRequestHeader(name, value));
		xhr.onload = () => {
			const headers = xhr.getAllResponseHeaders().match(/.+/g)?.map((line) => line.split(/: (.*)/, 2)) as [string, string][];
			// For 204 and its like a Response refuses even an empty body.
			const answer = new Response(xhr.response.size ? xhr.response : null, Object.assign(xhr, {headers}));
			resolve(Object.defineProperty(answer, "url", {value: xhr.responseURL}));
		};
		xhr.onerror = xhr.onabort = () => reject(signal.reason ?? new TypeError("network"));
		signal.addEventListener("abort", () => xhr.abort());
		// An empty body would add a Content-Type.
		xhr.send(body.size ? body : null);
	});
};
