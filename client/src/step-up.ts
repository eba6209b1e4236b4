import {createSessionClient as create, SessionError} from "./index.js";
import {camelCase} from "./names.js";
import type {JsonValue, SessionClient, SessionClientOptions} from "./types.js";

export * from "./index.js";

const REFUSAL = "reauthentication-required";

/** The options of a client that asks its user again. */
export interface StepUpOptions extends SessionClientOptions {
	/**
	 * Called where the server wants a fresh proof of who the user is before it does what `fetch`, or a method here, asked for
	 * (`reauthentication-required`). It asks the user, has the server check the answer by `fetch`, and resolves with whether
	 * that went well: then the request is sent again, once. Else its caller has the refusal, and where it threw, the page has
	 * its error as one that nobody caught. Requests that are refused so meanwhile wait for the same proof.
	 */
	readonly reauthenticate: (refusal: SessionError) => Promise<boolean>;
}

/** As `createSessionClient` of the main entry; what is refused for want of a recent log-in is sent again after one. */
export function createSessionClient<Data extends object = Record<string, JsonValue>>(
	options: StepUpOptions,
): SessionClient<Data> {
	const session = create<Data>(options);
	let proof: Promise<boolean> | undefined;
	let provedAt = -1;

	/**
	 * Whether the user has proved anew who they are since a request left: asked once, however many requests wait for it,
	 * and however late their refusals come.
	 */
	async function prove(refusal: SessionError, from: number): Promise<boolean> {
		if (provedAt >= from) return true;
		proof ??= Promise.resolve(refusal)
			.then(options.reauthenticate)
			.then((isProved) => {
				if (isProved) provedAt = performance.now();
				return isProved;
			})
			.catch((error: unknown) => {
				reportError(error);
				return false;
			})
			.finally(() => {
				proof = undefined;
			});
		return proof;
	}

	function twice<Args extends unknown[], Result>(call: (...args: Args) => Promise<Result>) {
		return (...args: Args): Promise<Result> => {
			const from = performance.now();
			return call(...args).catch(async (error: SessionError) => {
				if (error.code === REFUSAL && (await prove(error, from))) return call(...args);
				throw error;
			});
		};
	}

	/** Whether a request goes to the session's own server, whose word counts. */
	function isOwn(asked: string): boolean {
		const here = document.baseURI;
		return [options.url, ...(options.origins ?? [])].some((url) => new URL(url, here).origin === new URL(asked).origin);
	}

	return {
		...session,
		get state() {
			return session.state;
		},
		list: twice(session.list),
		revoke: twice(session.revoke),
		revokeOthers: twice(session.revokeOthers),
		async fetch(input, init) {
			const request = new Request(input, init);
			// A body can be sent once.
			const copy = isOwn(request.url) ? request.clone() : undefined;
			const from = performance.now();
			const response = await session.fetch(request);
			const refusal = copy && response.status === 401 && (await refusalOf(response.clone()));
			return refusal && (await prove(refusal, from)) ? session.fetch(copy!) : response;
		},
	};
}

async function refusalOf(response: Response): Promise<SessionError | undefined> {
	const body = Object(await response.json().catch(() => {}));
	if (body.type !== "urn:sojourn:problem:" + REFUSAL) return undefined;
	return new SessionError(response.status, REFUSAL, body.detail, camelCase(body));
}
