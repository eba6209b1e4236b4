// Writes dist/index.js for bundlers, and the minified file that the Python package serves.
import {build} from "esbuild";

const shared = {entryPoints: ["src/index.ts"], bundle: true, format: "esm", target: "es2022", charset: "utf8"};

// Properties that no user, other tab, server or browser sees. A name may be listed only if nothing else bears it.
const PRIVATE = "isTrusted isOurs miss jar settle plan learn linger wake warn change join joinAfter take emit lock post call";

await build({...shared, outfile: "dist/index.js"});
await build({
	...shared,
	outfile: "../src/sojourn/browser/static/client.js",
	minify: true,
	mangleProps: new RegExp(`^(${PRIVATE.replaceAll(" ", "|")})$`),
	banner: {js: "/*sojourn MIT*/"},
});
