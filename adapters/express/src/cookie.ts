const TOKEN = /^sj1-[0-9a-f]{32}-[0-9a-f]{64}$/;

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
 * Set-Cookie values that make a browser forget each cookie of this name that it may have sent with a request for `path` of
 * `host`: a cookie is told by its name, domain and path, and by being partitioned. Of long paths and hosts, the widest.
 */
export function clearings(name: string, host: string | undefined, path: string): string[] {
	const isHostOnly = /^__host-/i.test(name);
	const paths = isHostOnly ? ["/"] : prefixes(path);
	const domains = isHostOnly ? [""] : ["", ...domainsOf(host ?? "").map((domain) => `; Domain=${domain}`)];
	const secure = /^__(?:host|secure)-/i.test(name) ? "; Secure" : "";
	return paths.flatMap((path) =>
		domains.flatMap((domain) => {
			const place = `${name}=; Max-Age=0; Path=${path}${domain}`;
			return [`${place}${secure}; HttpOnly`, `${place}; Secure; HttpOnly; SameSite=None; Partitioned`];
		}),
	);
}

/** `/`, `/a` and `/a/b` of `/a/b`. */
function prefixes(path: string): string[] {
	const segments = /^\/[!-:<-~]*$/.test(path) ? path.split("/").filter(Boolean).slice(0, 3) : [];
	return ["/", ...segments.map((_, index) => "/" + segments.slice(0, index + 1).join("/"))];
}

/** `example.com` and `shop.example.com` of `shop.example.com:8080`; nothing of an address. */
function domainsOf(host: string): string[] {
	const name = /^((?:[a-z0-9-]+\.)+[a-z][a-z0-9-]*)\.?(?::\d+)?$/i.exec(host)?.[1];
	if (name === undefined) return [];
	const labels = name.toLowerCase().split(".");
	return labels.slice(1).map((_, index) => labels.slice(labels.length - 2 - index).join(".")).slice(0, 3);
}

/** Spaces and tabs only: `trim` of a string also takes what is part of a name. */
function trim(text: string): string {
	return text.replace(/^[ \t]+|[ \t]+$/g, "");
}
