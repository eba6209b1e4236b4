import {fileURLToPath} from "node:url";
import {defineConfig} from "vitest/config";

const built = fileURLToPath(new URL("../src/sojourn/browser/static/client.js", import.meta.url));

// All tests run twice: on the source, and on the file that is served.
export default defineConfig({
	test: {
		maxWorkers: 6, // most of their time is waited for, on real clocks
		projects: [
			{test: {name: "source", include: ["test/*.test.ts"]}},
			{
				test: {name: "built", include: ["test/*.test.ts"]},
				resolve: {alias: [{find: /^\.\.\/src\/index\.js$/, replacement: built}]},
			},
		],
	},
});
