"""Answers and messages that are not ours: the client takes nothing from them, and tells no other tab."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from playwright.async_api import BrowserContext
from starlette.responses import JSONResponse, PlainTextResponse, Response

from .stage import Stage
from .tab import Tab, open_tab

# Firefox has what an engine decides; what our own script decides is decided alike in each.
both = pytest.mark.engines("chromium", "firefox")
all_three = pytest.mark.engines("chromium", "firefox", "webkit")

FOREIGN = [
    '{"message": 1}',  # a gateway
    '{"offline": true}',  # a service worker
    '{"status": "active"}',
    '{"status": "none", "now": "soon", "data": {}}',
    '{"status": "ended", "id": "1", "now": 1, "data": {}}',
    "{}",
    "[]",
    "1",
    '"ok"',
    "null",
    "<!doctype html>",
    "",
]
CALLS: list[tuple[Any, ...]] = [
    ("refresh",),
    ("remove", "n"),
    ("touch",),
    ("start", {"n": 2}),
    ("start",),
    ("logout",),
    ("list",),
    ("revoke", "x"),
    ("set", {"n": 2}),
    ("revokeOthers",),
]


async def two_tabs(context: BrowserContext, stage: Stage) -> tuple[Tab, Tab]:
    one = await open_tab(context, stage)
    await one.settle()
    await one.call("start", {"n": 1})
    other = await open_tab(context, stage)
    await other.settle()
    await other.until('state.status === "active"')
    return one, other


async def goes_by_the_server_s_clock(tab: Tab) -> bool:
    """The stage's clock is this machine's, and so is the browser's."""
    off: float = await tab.page.evaluate("session.secondsLeft() - (session.state.expiresAt - Date.now()) / 1000")
    return -1 < off < 2


@all_three
async def test_an_answer_that_is_not_ours_is_an_error_of_its_call_and_touches_nothing(
    context: BrowserContext, stage: Stage
) -> None:
    one, other = await two_tabs(context, stage)
    before = [await tab.page.evaluate("() => JSON.stringify([session.state, seen])") for tab in (one, other)]
    for body in FOREIGN:
        stage.answer_all(Response(body, media_type="application/json"))
        for call in CALLS if body == FOREIGN[0] else CALLS[::3]:
            told = await one.call(*call)
            assert (told["error"], told["code"], told["status"]) == ("SessionError", "invalid-answer", 200), body

    assert [await tab.page.evaluate("() => JSON.stringify([session.state, seen])") for tab in (one, other)] == before
    assert await goes_by_the_server_s_clock(one)
    stage.be_itself()
    assert (await one.call("set", {"n": 3}))["data"] == {"n": 3}
    await other.until("state.data.n === 3")
    assert one.thrown + other.thrown == []


async def test_a_gateway_that_answers_everything_is_not_asked_again_and_again(
    context: BrowserContext, stage: Stage
) -> None:
    stage.answer_all(Response('{"message": 1}', media_type="application/json"))
    tabs = [await open_tab(context, stage) for _ in range(3)]
    for tab in tabs:
        await tab.until("errors.length > 0")
    asked = len(stage.asked)
    await asyncio.sleep(1)

    assert len(stage.asked) == asked
    for tab in tabs:
        assert (await tab.state())["status"] == "loading"
        assert await tab.errors() == ["invalid-answer"]


async def test_an_error_that_is_not_ours_is_told_as_such(context: BrowserContext, stage: Stage) -> None:
    one, _ = await two_tabs(context, stage)
    problem = {"type": "https://gateway.example/problems/no", "detail": {"no": "text"}, "end_reason": "logout"}
    for status in (400, 401, 403, 404, 409, 500):
        for body in ("<!doctype html>", "[]", json.dumps(problem)):
            stage.answer("POST /session/touch", PlainTextResponse(body, status))
            told = await one.call("touch")
            assert (told["status"], told["code"], told["detail"], told["endReason"]) == (status, "http", "", None)

    assert (await one.state())["status"] == "active"


@both
async def test_a_service_worker_that_answers_in_the_server_s_place_moves_nothing(
    context: BrowserContext, stage: Stage
) -> None:
    script = """
        addEventListener("install", () => skipWaiting());
        addEventListener("activate", (event) => event.waitUntil(clients.claim()));
        addEventListener("fetch", (event) => {
            if (new URL(event.request.url).pathname.startsWith("/session/") && !event.request.url.endsWith(".js"))
                event.respondWith(new Response('{"offline": true}', {headers: {"Content-Type": "application/json"}}));
        });
    """
    stage.answer("GET /worker.js", Response(script, media_type="text/javascript"))
    one, other = await two_tabs(context, stage)
    await one.page.evaluate(
        """async () => {
            const claimed = new Promise((done) => navigator.serviceWorker.addEventListener("controllerchange", done));
            await navigator.serviceWorker.register("/worker.js");
            await claimed;
        }"""
    )

    assert (await one.call("set", {"n": 2}))["code"] == "invalid-answer"
    assert (await one.call("refresh"))["code"] == "invalid-answer"
    for tab in (one, other):
        assert (await tab.state())["data"] == {"n": 1}
    assert (await one.page.evaluate("session.secondsLeft()")) > 0


# Messages in the channel, which every page of the origin can send

POST = "(message) => new BroadcastChannel(`sojourn:${location.origin}/session:cookie`).postMessage(message)"
LIES = """(change) => {
	const {state} = session, message = {state: {...state}, offset: 0};
	change(message);
	new BroadcastChannel(`sojourn:${location.origin}/session:cookie`).postMessage(message);
}"""


CHANGES = [
    "m.state.now = 9e15",
    "m.state.now = 9e15; m.offset = 9e15",
    "m.state.now = 9e15; m.state.version = 9e15",
    "m.state.now = NaN",
    "m.state.now = Infinity",
    "m.state.now = 'later'",
    "m.state = {message: 1}",
    "m.state = null",
    "m.state.data = null",
    "m.state.data = ['x']",
    "m.state.expiresAt = 'soon'",
    "m.state.status = 'ended'; m.state.endReason = 7",
    "m.state.status = 'toString'",
    "m.state.id = null",
    "m.state.version = null",
    "m.offset = NaN",
    "m.offset = [1, 2]",
    "m.offset = undefined",
    "m.missed = m.state.expiresAt; delete m.state",
    "m.missed = m.state.expiresAt - 60000; delete m.state",
    "m.missed = 'x'",
]


@all_three
async def test_a_stranger_in_the_channel_moves_no_tab_away_from_what_the_server_says(
    context: BrowserContext, stage: Stage
) -> None:
    tab, stranger = await two_tabs(context, stage)
    for number, change in enumerate(CHANGES):
        seen = await tab.seen()
        await stranger.page.evaluate(f"() => ({LIES})((m) => {{ {change} }})")
        await stranger.page.evaluate(f"() => ({POST})({{state: session.state, offset: 0}})")  # in order: all is heard
        await tab.call("refresh")

        assert await tab.seen() == seen, change
        assert await goes_by_the_server_s_clock(tab), change
        assert (await tab.call("set", {"n": -number}))["data"] == {"n": -number}, change
        await stranger.until(f"state.data.n === {-number}")

    assert (await tab.call("logout"))["endReason"] == "logout"
    assert (await tab.call("refresh"))["status"] == "none"
    assert tab.thrown == []


async def test_what_is_no_message_at_all_is_passed_over(context: BrowserContext, stage: Stage) -> None:
    tab, stranger = await two_tabs(context, stage)
    messages: list[object] = [None, 1, "x", [], {}, {"ask": 1, "state": 1, "missed": {}}]
    for message in messages:
        await stranger.page.evaluate(POST, message)
    await stranger.call("set", {"n": 2})
    await tab.until("state.data.n === 2")

    assert tab.thrown == []


async def test_a_tab_that_was_lied_to_before_it_had_an_answer_believes_its_first_one(
    context: BrowserContext, stage: Stage
) -> None:
    _, stranger = await two_tabs(context, stage)
    release = stage.delay("GET /session/")
    tab = await open_tab(context, stage)
    lie = "m.state.now += 9e9; m.offset += 9e9; m.state.data.n = 9"
    await stranger.page.evaluate(f"() => ({LIES})((m) => {{ {lie} }})")
    await tab.until("state.data.n === 9")
    release.set()
    await tab.call("refresh")
    await tab.call("refresh")

    assert (await tab.state())["data"] == {"n": 1}
    assert await tab.page.evaluate("session.secondsLeft()") > 0
    assert (await tab.call("logout"))["status"] == "ended"


async def test_tabs_that_contradict_one_another_do_not_ask_without_end(context: BrowserContext, stage: Stage) -> None:
    one, other = await two_tabs(context, stage)
    stage.skew = 3_600_000  # another machine answers from now on, and its clock is an hour ahead
    await one.call("refresh")
    await other.call("refresh")
    stage.skew = 0
    await one.call("refresh")
    asked = len(stage.asked)
    await asyncio.sleep(1)

    assert len(stage.asked) - asked <= 2


async def test_an_error_holds_what_the_problem_held(context: BrowserContext, stage: Stage) -> None:
    tab = await open_tab(context, stage)
    await tab.call("start")
    stage.answer(
        "PATCH /session/",
        JSONResponse(
            {"type": "urn:sojourn:problem:data-too-large", "detail": "Too much.", "size": 20, "limit": 10}, 413
        ),
    )
    refused = await tab.call("set", {"a": 1})
    assert (refused["status"], refused["code"], refused["detail"]) == (413, "data-too-large", "Too much.")
    assert (refused["size"], refused["limit"], refused["endReason"]) == (20, 10, None)

    stage.be_itself()
    refused = await tab.call("set", {"secret": 1})
    assert (refused["code"], refused["keys"]) == ("not-writable", ["secret"])

    strange = {"detail": ["no text"], "size": 20, "name": "Mine"}
    stage.answer("PATCH /session/", JSONResponse(strange, 422))
    refused = await tab.call("set", {"a": 1})
    assert (refused["error"], refused["code"], refused["detail"]) == ("SessionError", "http", "")
    assert "size" not in refused
