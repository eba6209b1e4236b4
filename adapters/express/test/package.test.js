// What `npm pack` makes, as somebody else installs it.
import assert from "node:assert/strict";
import {execFileSync} from "node:child_process";
import {existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync} from "node:fs";
import {tmpdir} from "node:os";
import {dirname, join} from "node:path";
import {after, before, test} from "node:test";
import {fileURLToPath} from "node:url";

const HERE = fileURLToPath(new URL("..", import.meta.url));
const ENTRIES = ["sojourn-express", "sojourn-express/store", "sojourn-express/fetch", "sojourn-express/fastify"];

let folder;
let installed;
before(() => {
	folder = mkdtempSync(join(tmpdir(), "package-"));
	const run = (command, ...words) => execFileSync(command, words, {cwd: HERE, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"]});
	const [{filename}] = JSON.parse(run("npm", "pack", "--json", "--ignore-scripts", "--pack-destination", folder));
	installed = join(folder, "node_modules", "sojourn-express");
	mkdirSync(installed, {recursive: true});
	run("tar", "-xzf", join(folder, filename), "-C", installed, "--strip-components=1");
	for (const name of ["@types", "express", "express-session", "fastify"]) symlinkSync(join(HERE, "node_modules", name), join(folder, "node_modules", name));
});
after(() => rmSync(folder, {recursive: true}));

/** Runs what is in the files, in the consumer's folder. */
function consume(files, ...words) {
	for (const [name, text] of Object.entries(files)) {
		mkdirSync(dirname(join(folder, name)), {recursive: true});
		writeFileSync(join(folder, name), text);
	}
	try {
		return execFileSync(process.execPath, words, {cwd: folder, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"]}).trim();
	} catch (error) {
		throw new Error(`${error.stdout}${error.stderr}`);
	}
}

test("require and import give the same, and need no flag", () => {
	const told = consume(
		{
			"both.cjs": `
				const names = ${JSON.stringify(ENTRIES)};
				(async () => {
					for (const name of names) {
						const [required, imported] = [require(name), await import(name)];
						for (const key of Object.keys(required)) if (required[key] !== imported[key]) throw new Error(name + " " + key);
						console.log(name, Object.keys(required).sort().join(" "));
					}
				})();`,
		},
		"both.cjs",
	);

	assert.deepEqual(told.split("\n"), [
		"sojourn-express SojournError requireLogin sojourn",
		"sojourn-express/store SojournStore",
		"sojourn-express/fetch refusal sessions",
		"sojourn-express/fastify requireLogin sojournFastify",
	]);
});

test("the types are found by every resolution that there is, and express-session's beside them", () => {
	const text = `
		import {sojourn, SojournError, type Options} from "sojourn-express";
		import {sessions, refusal} from "sojourn-express/fetch";
		declare module "sojourn-express" { interface SessionData { cart: string[] } }
		const options: Options = {service: "http://127.0.0.1:8100", key: "x"};
		export const middleware = sojourn(options);
		export const {handle} = sessions(options);
		export const POST = (request: Request): Promise<Response> => handle(request, async (session) => Response.json(session.cart?.length));
		export const answer = (error: SojournError): Response => refusal(error);`;
	const fastify = `
		import fastify from "fastify";
		import {sojournFastify} from "sojourn-express/fastify";
		const app = fastify();
		app.register(sojournFastify, {service: "http://127.0.0.1:8100", key: "x"});
		app.get("/", (request) => request.session.increment("visits"));
		// @ts-expect-error an option that there is not
		app.register(sojournFastify, {service: "http://127.0.0.1:8100", key: "x", secret: "x"});`;
	const compiler = join(HERE, "node_modules/typescript/bin/tsc");
	const common = {strict: true, noEmit: true, skipLibCheck: true, target: "ES2022", types: ["node"]};
	for (const [name, type, more] of [
		["nodenext-cjs", "commonjs", {module: "NodeNext"}],
		["bundler", "module", {module: "ESNext", moduleResolution: "bundler"}],
	]) {
		consume(
			{
				[`${name}/package.json`]: JSON.stringify({type}),
				[`${name}/tsconfig.json`]: JSON.stringify({compilerOptions: {...common, ...more}, files: ["use.ts", "fastify.ts"]}),
				[`${name}/use.ts`]: text,
				[`${name}/fastify.ts`]: fastify,
			},
			compiler,
			"-p",
			name,
		);
	}
});

test("each link of the README leads somewhere in the package, as a registry shows it", () => {
	const text = readFileSync(join(installed, "README.md"), "utf8");
	const anchors = [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading]) => heading.toLowerCase().replace(/[^\w -]/g, "").replaceAll(" ", "-"));
	const links = [...text.matchAll(/\]\(([^)]+)\)/g)].map(([, target]) => target);
	assert.ok(links.length >= 3);
	for (const link of links) {
		if (link.startsWith("#")) assert.ok(anchors.includes(link.slice(1)), link);
		else if (!link.startsWith("https://")) assert.ok(!link.startsWith("..") && existsSync(join(installed, link)), link);
	}
});
