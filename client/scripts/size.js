import {readFileSync} from "node:fs";
import {brotliCompressSync} from "node:zlib";

const LIMITS = {client: 4096, bound: 1536, live: 1024};

for (const [name, limit] of Object.entries(LIMITS)) {
	const file = readFileSync(new URL(`../../src/sojourn/browser/static/${name}.js`, import.meta.url));
	const size = brotliCompressSync(file).length;
	console.log(`${name}.js: ${file.length} bytes, ${size} brotli (limit ${limit})`);
	if (size > limit) process.exitCode = 1;
}
