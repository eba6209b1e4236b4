import {expect, test} from "vitest";
import {createClock} from "../src/clock.js";
import {camelCase} from "../src/names.js";
import {isNewer, LOADING} from "../src/state.js";
import type {SessionState} from "../src/index.js";

const active = (values: object) =>
	({...LOADING, status: "active", id: "a", createdAt: 1, seenAt: 1, version: 1, now: 100_000, ...values}) as SessionState;

test.each([
	["a later answer", {now: 100_001}, {}, true],
	["an earlier one", {now: 99_999}, {}, false],
	["equal times, higher version", {version: 2}, {}, true],
	["equal times, lower version", {version: 1}, {version: 2}, false],
	["later, but read before a change", {now: 100_005, version: 1}, {version: 2}, false],
	["later, but read before a touch", {now: 100_005}, {seenAt: 2}, false],
	["much later: the server lost a write", {now: 110_001, version: 1}, {version: 2}, true],
	["the end of a session, at the same time", {status: "ended"}, {}, true],
	["the life of an ended session", {now: 100_005}, {status: "ended"}, false],
	["a newer session, asked earlier", {id: "b", createdAt: 2, now: 99_999}, {}, true],
	["an older session, asked later", {now: 100_001}, {id: "b", createdAt: 2}, false],
	["none, later", {id: null, status: "none", now: 100_001}, {}, true],
	["none, earlier", {id: null, status: "none", now: 99_999}, {}, false],
])("%s", (_, next, known, isIt) => {
	expect(isNewer(active(next), active(known))).toBe(isIt);
});

test("anything is newer than nothing", () => {
	expect(isNewer(active({}), LOADING)).toBe(true);
	expect(isNewer(LOADING, active({}))).toBe(false);
});

test("keys change, the application's do not", () => {
	expect(camelCase({absolute_expires_at: 1, data: {my_key: 2}})).toEqual({absoluteExpiresAt: 1, data: {my_key: 2}});
});

test("the clock narrows what it knows, and starts anew when contradicted", () => {
	const clock = createClock();
	clock.learn([900, 1_100]);
	clock.learn([980, 1_400]);
	expect(clock.ahead()).toBe(1_040);
	clock.learn([-50, 50]);
	expect(clock.ahead()).toBe(0);
});
