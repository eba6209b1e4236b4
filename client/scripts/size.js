import {readFileSync} from "node:fs";
import {brotliCompressSync} from "node:zlib";

const LIMIT = 4096;
const file = readFileSync(new URL("../../src/sojourn/browser/static/client.js", import.meta.url));
const size = brotliCompressSync(file).length;
console.log(`client.js: ${file.length} bytes, ${size} brotli (limit ${LIMIT})`);
if (size > LIMIT) process.exit(1);
