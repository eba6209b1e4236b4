/** XMLHttpRequest as far as it is used, on Node's fetch. */
export class FakeXhr {
	static native: typeof fetch = fetch;
	responseType: string = "";
	withCredentials: boolean = false;
	status: number = 0;
	statusText: string = "";
	response: ArrayBuffer | null = null;
	responseURL: string = "";
	onload: () => void = () => {};
	onerror: () => void = () => {};
	onabort: () => void = () => {};
	private method: string = "";
	private url: string = "";
	private sent: Headers = new Headers();
	private got: Headers = new Headers();
	private stop: AbortController = new AbortController();

	open(method: string, url: string): void {
		this.method = method;
		this.url = url;
	}

	setRequestHeader(name: string, value: string): void {
		this.sent.append(name, value);
	}

	getAllResponseHeaders(): string {
		return [...this.got].map(([name, value]) => `${name}: ${value}\r\n`).join("");
	}

	abort(): void {
		this.stop.abort();
	}

	async send(body: ArrayBuffer | null): Promise<void> {
		try {
			const {method, sent: headers, stop} = this;
			const response = await FakeXhr.native(this.url, {method, headers, body, signal: stop.signal});
			this.response = await response.arrayBuffer();
			this.status = response.status;
			this.statusText = response.statusText;
			this.responseURL = response.url;
			this.got = response.headers;
		} catch {
			return this.stop.signal.aborted ? this.onabort() : this.onerror();
		}
		this.onload();
	}
}
