/** Integers that other back ends keep and JavaScript rounds: as the service writes them, by how JavaScript does. */
export type Wide = ReadonlyMap<string, string>;

/** A text, or a number. */
const WORD = /"(?:[^"\\]+|\\.)*"|-?\d[\d.eE+-]*/g;

/** Those in an answer of the service; null where there are none. */
export function wideIn(json: string): Wide | null {
	if (!/\d{16}/.test(json)) return null;
	const wide = new Map<string, string>();
	for (const [word] of json.matchAll(WORD)) {
		if (/^-?\d{16,}$/.test(word) && !Number.isSafeInteger(Number(word))) wide.set(String(Number(word)), word);
	}
	return wide.size > 0 ? wide : null;
}

/**
 * What is sent, with these as they came: rounded, they would be another's value, or more than 64 bits. Where two are the
 * same to JavaScript, one may stand for the other: only in what was loaded and is not changed, so that nothing is.
 */
export function exact(json: string, wide: Wide): string {
	return json.replace(WORD, (word) => wide.get(word) ?? word);
}
