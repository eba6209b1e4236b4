const TOKEN = /^sj1-[\da-f]{32}-[\da-f]{64}$/;

const idOf = (token: string | null) => token && token.slice(4, 36);

/** Keeps the bearer token. */
export interface TokenJar {
	get(): string | null;
	/**
	 * Takes what an answer said of the token, given the one that its request carried. `false`: the answer is about a
	 * session that is no longer the one kept here, and nothing in it may be believed.
	 */
	take(sent: string | null, said: string | null): boolean;
}

/** Where storage fails, now or later, the token is kept in memory and `onBroken` is told. */
export function createTokenJar(
	kind: "local" | "session" | "memory",
	key: string,
	onBroken: (error: unknown) => void,
): TokenJar {
	let token: string | null = null;

	/** Keeps `next`, or reads. */
	function keep(next?: string | null): string | null {
		if (next !== undefined) token = next;
		try {
			if (kind === "memory") return token;
			const storage = kind === "local" ? localStorage : sessionStorage;
			if (next) storage.setItem(key, next);
			else if (next === null) storage.removeItem(key);
			else token = storage.getItem(key);
		} catch (error) {
			kind = "memory";
			onBroken(error);
		}
		return token;
	}

	return {
		get: () => keep(),
		take(sent, said) {
			if (idOf(keep()) !== idOf(sent)) return false;
			if (said === "none") keep(null);
			else if (TOKEN.test(said!)) keep(said);
			return true;
		},
	};
}
