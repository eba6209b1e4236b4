const TOKEN = /^sj1-[0-9a-f]{32}-[0-9a-f]{64}$/;

/** The session's public id, in a token. */
export function idOf(token: string): string {
	return token.slice(4, 36);
}

/**
 * The token in a Cookie header, null where there is none or nothing of a token's shape, "ambiguous" where two values
 * bear the name. Names are compared raw: neither `%5F%5FHost-` nor `..Host-` is `__Host-`.
 */
export function findToken(header: string | undefined, name: string): string | null | "ambiguous" {
	const start = header === undefined ? -1 : header.indexOf(name + "=");
	if (start < 0) return null;
	const begin = start + name.length + 1;
	if ((start === 0 || header!.slice(start - 2, start) === "; ") && !header!.includes(name, begin)) {
		// The header as browsers send it needs no taking apart.
		const end = header!.indexOf(";", begin);
		const value = trim(header!.slice(begin, end < 0 ? undefined : end));
		return TOKEN.test(value) ? value : null;
	}
	let found: string | null = null;
	for (const pair of header!.split(";")) {
		const equals = pair.indexOf("=");
		if (equals < 0 || trim(pair.slice(0, equals)) !== name) continue;
		const value = trim(pair.slice(equals + 1));
		if (found !== null && found !== value) return "ambiguous";
		found = value;
	}
	return found !== null && TOKEN.test(found) ? found : null;
}

/** Spaces and tabs only: `trim` of a string also takes what is part of a name. */
function trim(text: string): string {
	return text.replace(/^[ \t]+|[ \t]+$/g, "");
}
