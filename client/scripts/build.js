// Writes dist/ for bundlers, and the minified file that the Python package serves.
import {readFileSync, writeFileSync} from "node:fs";
import {build} from "esbuild";
import {minify} from "terser";

// Properties that no user, other tab, server or browser sees. A name may be listed only if nothing else bears it.
const PRIVATE =
	"ahead alarm call change consult deliver emit expire from isNear isOurs learn linger lock miss plan post reply settle take to told wake";

await build({
	entryPoints: ["index", "react", "svelte", "vue"].map((name) => `src/${name}.ts`),
	outdir: "dist",
	bundle: true,
	packages: "external",
	format: "esm",
	target: "es2022",
	charset: "utf8",
});
const {code} = await minify(readFileSync("dist/index.js", "utf8"), {
	module: true,
	ecma: 2022,
	compress: {passes: 3, unsafe_arrows: true, inline: false, comparisons: false},
	mangle: {properties: {builtins: true, regex: new RegExp(`^(${PRIVATE.replaceAll(" ", "|")})$`)}},
	format: {preamble: "/*sojourn MIT*/"},
});
writeFileSync("../src/sojourn/browser/static/client.js", code + "\n");
