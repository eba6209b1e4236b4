// Writes dist/ for bundlers, and the minified files that the Python package serves.
import {readFileSync, writeFileSync} from "node:fs";
import {build} from "esbuild";
import {minify} from "terser";

// Properties that no user, other tab, server or browser sees. A name may be listed only if nothing else bears it.
const PRIVATE =
	"ahead alarm call change consult deliver emit expire from isNear isOurs learn linger lock miss plan post reply settle take to told wake";

const FORMAT = {bundle: true, packages: "external", format: "esm", target: "es2022", charset: "utf8"};
const entries = (...names) => ({entryPoints: names.map((name) => `src/${name}.ts`), outdir: "dist", ...FORMAT});

await build(entries("index", "bound", "live", "react", "svelte", "vue"));
// Of the client itself there is one copy.
await build({...entries("step-up"), external: ["./index.js"]});

async function serve(name, text, properties) {
	const {code} = await minify(text, {
		module: true,
		ecma: 2022,
		compress: {passes: 3, unsafe_arrows: true, inline: false, comparisons: false},
		mangle: {properties},
		format: {preamble: "/*sojourn MIT*/"},
	});
	writeFileSync(`../src/sojourn/browser/static/${name}.js`, code + "\n");
}

const built = (name) => readFileSync(`dist/${name}.js`, "utf8");
await serve("client", built("index"), {builtins: true, regex: new RegExp(`^(${PRIVATE.replaceAll(" ", "|")})$`)});
await serve("bound", built("bound"), false);
await serve("live", built("live"), false);
await serve("step-up", built("step-up").replaceAll('"./index.js"', '"./client.js"'), false);
