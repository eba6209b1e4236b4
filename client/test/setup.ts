import {afterEach, beforeEach, vi} from "vitest";
import {closeTabs, stubPage} from "./browser.js";
import {TestServer} from "./server.js";

/** A server and a page for each test of a file. */
export interface World {
	server: TestServer;
	page: ReturnType<typeof stubPage>;
}

export function setUp(): World {
	const world = {} as World;
	beforeEach(async () => {
		world.server = await new TestServer().open();
		world.page = stubPage(world.server);
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
