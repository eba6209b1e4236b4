import {beforeEach, expect, test} from "vitest";
import {createTokenJar, type TokenJar} from "../src/token.js";

const token = (id: string, secret: string) => `sj1-${id.repeat(32)}-${secret.repeat(64)}`;
const ADA = token("a", "1");
const EVE = token("e", "1");
let jar: TokenJar;

beforeEach(() => {
	jar = createTokenJar("memory", "key", () => expect.unreachable("memory does not break"));
});

test("what an answer brings is kept, renewed and dropped", () => {
	expect(jar.take(null, ADA)).toBe(true);
	expect(jar.get()).toBe(ADA);
	const renewed = token("a", "2");
	expect(jar.take(ADA, renewed)).toBe(true);
	expect(jar.get()).toBe(renewed);
	expect(jar.take(renewed, null)).toBe(true);
	expect(jar.get()).toBe(renewed);
	expect(jar.take(renewed, "none")).toBe(true);
	expect(jar.get()).toBeNull();
});

test("what is no token is not kept", () => {
	for (const said of ["<script>", "", ADA.toUpperCase(), ADA + "1", ADA.slice(1), "sj1-a-1"]) jar.take(null, said);
	expect(jar.get()).toBeNull();
});

test("an answer to another session's request is not believed, and changes nothing", () => {
	jar.take(null, EVE);
	for (const said of [ADA, "none", null]) expect(jar.take(ADA, said)).toBe(false);
	expect(jar.take(null, ADA)).toBe(false);
	expect(jar.get()).toBe(EVE);
});

test("a log-in that was sent before a renewal is taken", () => {
	jar.take(null, ADA);
	jar.take(ADA, token("a", "2"));
	expect(jar.take(ADA, EVE)).toBe(true);
	expect(jar.get()).toBe(EVE);
});
