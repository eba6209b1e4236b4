const TOKEN = /^sj1-[0-9a-f]{32}-[0-9a-f]{64}$/;

export function isToken(text: string): boolean {
	return TOKEN.test(text);
}

/** The session's public id, in a token. */
export function idOf(token: string): string {
	return token.slice(4, 36);
}

/**
 * The tokens in a Cookie header: null where there is none, text where there is one, a list of different ones where a
 * browser holds several cookies of the name, as after its domain or path was changed. What has no token's shape is passed
 * over. Names are compared raw: neither `%5F%5FHost-` nor `..Host-` is `__Host-`.
 */
export function findTokens(header: string | undefined, name: string): string | readonly string[] | null {
	const start = header === undefined ? -1 : header.indexOf(name + "=");
	if (start < 0) return null;
	const begin = start + name.length + 1;
	if ((start === 0 || header!.slice(start - 2, start) === "; ") && !header!.includes(name, begin)) {
		// The header as browsers send it needs no taking apart.
		const end = header!.indexOf(";", begin);
		const value = trim(header!.slice(begin, end < 0 ? undefined : end));
		return TOKEN.test(value) ? value : null;
	}
	const found = new Set<string>();
	for (const pair of header!.split(";")) {
		const equals = pair.indexOf("=");
		if (equals < 0 || trim(pair.slice(0, equals)) !== name) continue;
		const value = trim(pair.slice(equals + 1));
		if (TOKEN.test(value)) found.add(value);
	}
	return found.size > 1 ? [...found] : ([...found][0] ?? null);
}

/**
 * Set-Cookie values that make a browser forget each cookie of this name that a request for `path` of `host` can name, as it
 * is told by its domain and path, and by being partitioned: of this host and its parents, three at most; of the root and
 * the first two folders.
 */
export function clearings(name: string, host: string | undefined, path: string): string[] {
	const isHosts = /^__host-/i.test(name);
	const folders = isHosts ? [""] : ["", ...foldersOf(path)];
	const domains = isHosts ? [""] : ["", ...domainsOf(host ?? "").map((domain) => `; Domain=${domain}`)];
	const secure = /^__(?:host|secure)-/i.test(name) ? "; Secure" : "";
	return folders.flatMap((folder) =>
		domains.flatMap((domain) => {
			const start = `${name}=; Max-Age=0; Path=${folder || "/"}${domain}`;
			return [`${start}${secure}; HttpOnly; SameSite=Lax`, `${start}; Secure; HttpOnly; SameSite=None; Partitioned`];
		}),
	);
}

/** `/a` and `/a/b` of `/a/b/c`; nothing that no header can hold. */
function foldersOf(path: string): string[] {
	const [, first, second] = /^(\/[!-.0-:<-~]+)(\/[!-.0-:<-~]+)?/.exec(path) ?? [];
	if (first === undefined) return [];
	return second === undefined ? [first] : [first, first + second];
}

/** `shop.example.com` and `example.com` of `shop.example.com:8080`; nothing of an address. */
function domainsOf(host: string): string[] {
	const name = host.toLowerCase().replace(/:\d*$/, "");
	if (!/^(?:[a-z0-9_-]+\.)+[a-z][a-z0-9-]*$/.test(name)) return [];
	const labels = name.split(".");
	return labels.slice(1).map((_, first) => labels.slice(first).join(".")).slice(-3);
}

/** Spaces and tabs only: `trim` of a string also takes what is part of a name. */
function trim(text: string): string {
	return text.replace(/^[ \t]+|[ \t]+$/g, "");
}
