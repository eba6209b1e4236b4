import {afterEach, beforeEach, vi} from "vitest";
import {closeTabs, lockManager, stubPage} from "./browser.js";
import {TestServer} from "./server.js";

/** A server, a page and locks for each test of a file. */
export interface World {
	server: TestServer;
	page: ReturnType<typeof stubPage>;
	locks: ReturnType<typeof lockManager>;
}

export function setUp(): World {
	const world = {} as World;
	beforeEach(async () => {
		world.server = await new TestServer().open();
		world.page = stubPage(world.server);
		world.locks = lockManager();
		vi.stubGlobal("navigator", {locks: world.locks});
	});
	afterEach(async () => {
		closeTabs();
		vi.useRealTimers();
		vi.restoreAllMocks();
		vi.unstubAllGlobals();
		await world.server.close();
	});
	return world;
}

export function fakeTime(): void {
	vi.useFakeTimers({toFake: ["setTimeout", "clearTimeout", "Date"]});
}
