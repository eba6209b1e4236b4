"""Tabs of one browser: what one does shows in all, in order, however late an answer comes."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import BrowserContext

from .stage import Stage
from .tab import Tab, open_tab

pytestmark = pytest.mark.engines("chromium", "firefox")
all_three = pytest.mark.engines("chromium", "firefox", "webkit")

# Who asks holds this lock, one tab after the other.
HAD_ITS_TURN = "() => navigator.locks.request(`sojourn:${location.origin}/session:cookie`, () => {})"


async def two_tabs(context: BrowserContext, stage: Stage) -> tuple[Tab, Tab]:
    one = await open_tab(context, stage)
    await one.settle()
    await one.call("start")
    other = await open_tab(context, stage)
    await other.settle()
    await other.until('state.status === "active"')
    return one, other


async def ends(*tabs: Tab) -> list[str]:
    return [what for tab in tabs for what in await tab.seen() if what.startswith("ended ")]


@all_three
async def test_what_one_tab_does_shows_in_the_other_without_a_request(context: BrowserContext, stage: Stage) -> None:
    one, other = await two_tabs(context, stage)
    stage.asked.clear()
    await one.call("set", {"theme": "dark"})
    await other.until('state.data.theme === "dark"')
    await one.call("logout")
    await other.until('seen.includes("ended logout")')

    assert await ends(one, other) == ["ended logout"] * 2
    assert stage.asked == ["PATCH /session/", "POST /session/logout"]


@all_three
async def test_a_log_in_in_one_tab_is_no_end_in_the_other(context: BrowserContext, stage: Stage) -> None:
    one, other = await two_tabs(context, stage)
    assert await one.log_in() == 200
    assert (await one.state())["userId"] == "ada"
    await other.until('state.userId === "ada"')

    assert await ends(one, other) == []


@all_three
async def test_nor_where_the_other_asks_while_the_log_in_s_answer_is_on_its_way(
    context: BrowserContext, stage: Stage
) -> None:
    one, other = await two_tabs(context, stage)
    release = stage.hold("POST /login")
    await one.page.evaluate('() => void (window.login = session.fetch("/login", {method: "POST"}))')
    await stage.until_asked("POST /login")
    await other.begin("set", {"a": 1})
    await stage.until_asked("GET /session/", 3)  # one of each tab's beginning, and one after the refusal
    release.set()
    refusal = await other.finish()

    assert (refusal["code"], refusal["endReason"]) == ("session-ended", "replaced")
    state = await other.state()
    assert (state["status"], state["userId"]) == ("active", "ada")
    assert await ends(one, other) == []


async def test_a_session_that_was_replaced_by_nobody_here_did_end(context: BrowserContext, stage: Stage) -> None:
    one, other = await two_tabs(context, stage)
    old = await context.cookies()
    assert (await context.request.post(f"{stage.url}/login")).ok
    await context.clear_cookies()  # the answer with the new session was lost
    await context.add_cookies(old)  # type: ignore[arg-type]  # what cookies() gives is what add_cookies() takes
    await one.call("refresh")
    await other.until('seen.includes("ended replaced")')

    assert await ends(one, other) == ["ended replaced"] * 2


@all_three
async def test_a_late_older_answer_changes_nothing_in_any_tab(context: BrowserContext, stage: Stage) -> None:
    one, other = await two_tabs(context, stage)
    release = stage.hold("GET /session/")
    await one.begin("refresh")
    await stage.until_asked("GET /session/", 3)
    await other.call("set", {"n": 2})
    await one.until("state.data.n === 2")
    release.set()
    await one.finish()
    await other.call("touch")

    for tab in (one, other):
        assert (await tab.state())["data"] == {"n": 2}


async def test_a_late_answer_from_before_a_log_out_brings_nothing_back(context: BrowserContext, stage: Stage) -> None:
    one, other = await two_tabs(context, stage)
    release = stage.hold("PATCH /session/")
    await one.begin("set", {"n": 1})
    await stage.until_asked("PATCH /session/")
    await other.call("logout")
    release.set()
    await one.finish()

    for tab in (one, other):
        assert (await tab.state())["status"] == "ended"


async def test_a_tab_that_asked_before_a_session_was_there_does_not_talk_the_others_out_of_it(
    context: BrowserContext, stage: Stage
) -> None:
    release = stage.hold("GET /session/")
    late = await open_tab(context, stage)
    await stage.until_asked("GET /session/")
    tab = await open_tab(context, stage)
    await tab.call("start")
    release.set()
    await late.until('state.status === "active"')

    assert (await tab.state())["status"] == "active"
    assert await ends(tab, late) == []


async def test_a_tab_that_asked_before_a_start_was_answered_comes_to_know_of_it(
    context: BrowserContext, stage: Stage
) -> None:
    one = await open_tab(context, stage)
    await one.until('state.status === "none"')
    release = stage.hold("POST /session/start")
    await one.begin("start")
    await stage.until_asked("POST /session/start")
    other = await open_tab(context, stage)
    await other.until('state.status === "none"')
    release.set()
    await one.finish()
    await other.until('state.status === "active"')

    assert (await one.state())["status"] == "active"


async def test_the_cookies_deleted_all_tabs_come_to_know(context: BrowserContext, stage: Stage) -> None:
    one, other = await two_tabs(context, stage)
    await one.call("touch")
    await context.clear_cookies()
    await one.call("refresh")
    await other.until('seen.at(-1) === "ended null"')

    assert await ends(one, other) == ["ended null"] * 2
    assert await one.errors() + await other.errors() == []


@all_three
async def test_two_tabs_that_start_at_once_share_one_session(context: BrowserContext, stage: Stage) -> None:
    one, other = await open_tab(context, stage), await open_tab(context, stage)
    for tab in (one, other):
        await tab.settle()
    first, second = await asyncio.gather(one.call("start", {"a": 1}), other.call("start", {"b": 2}))

    assert first["id"] == second["id"]
    assert (await one.call("refresh"))["data"] == {"a": 1, "b": 2}


async def test_a_new_tab_that_cannot_reach_the_server_asks_the_others(context: BrowserContext, stage: Stage) -> None:
    one, _ = await two_tabs(context, stage)
    tab = Tab(await context.new_page())
    await tab.page.goto(f"{stage.url}/page")
    await tab.page.wait_for_function("() => window.createSessionClient")
    await context.set_offline(True)
    await tab.page.evaluate(
        """() => {
            window.errors = [];
            window.session = createSessionClient({url: "/session", retries: 0});
            session.on("error", ({error}) => errors.push(error.code));
        }"""
    )
    await tab.until('state.status === "active"')

    assert (await tab.state())["id"] == (await one.state())["id"]
    assert await tab.errors() == ["network"]


async def test_clients_of_other_urls_and_other_storages_are_strangers(context: BrowserContext, stage: Stage) -> None:
    one, _ = await two_tabs(context, stage)
    elsewhere = await open_tab(context, stage, url="/elsewhere")
    memory, memory_too = [await open_tab(context, stage, storage="memory") for _ in range(2)]
    await memory.call("start")
    await one.call("set", {"n": 1})
    await memory_too.call("refresh")

    assert (await elsewhere.state())["status"] == "loading"
    assert (await memory.state())["data"] == {}
    assert (await memory_too.state())["status"] == "none"


async def test_of_all_tabs_that_come_online_one_asks(context: BrowserContext, stage: Stage) -> None:
    await context.clock.install()
    tabs = [*await two_tabs(context, stage), *[await open_tab(context, stage) for _ in range(2)]]
    for tab in tabs:
        await tab.settle()
    await context.clock.fast_forward(6_000)  # what has been heard of just now is not asked for
    for tab in tabs:
        await tab.page.evaluate("() => addEventListener('online', () => { window.isOnline = true; })")
    stage.asked.clear()
    await context.set_offline(True)
    await context.set_offline(False)
    await stage.until_asked("GET /session/")
    for tab in tabs:
        await tab.until("window.isOnline")
        await tab.page.evaluate(HAD_ITS_TURN)

    assert stage.asked == ["GET /session/"]
