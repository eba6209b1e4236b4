"""The end of a session, as its tabs see it: near, put off, over; asked of the server, or told by the clock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import BrowserContext, Request

from sojourn import Policy

from .stage import Stage, serve
from .tab import Tab, open_tab

# Firefox has what an engine decides; what our own script decides is decided alike in each.
both = pytest.mark.engines("chromium", "firefox")
all_three = pytest.mark.engines("chromium", "firefox", "webkit")

NEAR = 'state.expiring && seen.at(-1) === "warned"'


@pytest.fixture
async def stage(tls: Path | None) -> AsyncIterator[Stage]:
    """A stage where sessions end after 20 seconds."""
    stage = Stage(Policy(idle_timeout=20, touch_interval=0))
    async with serve(stage, tls=tls) as stage.url:
        yield stage


async def open_tabs(context: BrowserContext, stage: Stage, count: int, **options: Any) -> list[Tab]:
    """Tabs with one session, which warn 8 seconds before its end unless they are told otherwise."""
    tabs = [await open_tab(context, stage, **{"retries": 0, "warnBefore": 8, **options}) for _ in range(count)]
    for tab in tabs:
        await tab.settle()
    await tabs[0].call("start")
    for tab in tabs:
        await tab.until('state.status === "active"')
    return tabs


async def stop_clocks(context: BrowserContext, stage: Stage) -> None:
    """The server's clock and those of all pages stand still until `pass_time` moves them."""
    stage.stands_at = stage.now()
    await context.clock.install(time=stage.stands_at - 1000)
    await context.clock.pause_at(stage.stands_at)


class UnderWay:
    """What pages have asked for and not been answered."""

    def __init__(self, context: BrowserContext) -> None:
        self._requests: set[Request] = set()
        context.on("request", self._begin)
        context.on("requestfinished", self._end)
        context.on("requestfailed", self._end)

    def _begin(self, request: Request) -> None:
        self._requests.add(request)

    def _end(self, request: Request) -> None:
        self._requests.discard(request)

    async def until_none(self) -> None:
        async with asyncio.timeout(45):
            while self._requests:
                await asyncio.sleep(0.005)


async def pass_time(context: BrowserContext, stage: Stage, seconds: float) -> None:
    """All clocks move on together, half a second at a time; what is asked then is answered in between."""
    under_way = UnderWay(context)
    for _ in range(int(seconds * 2)):
        stage.skew += 500
        await context.clock.run_for(500)
        await asyncio.sleep(0.01)
        await under_way.until_none()


@all_three
async def test_nearness_is_a_state_that_a_dialog_finds_however_late_it_looks(
    context: BrowserContext, stage: Stage
) -> None:
    [tab] = await open_tabs(context, stage, 1, warnBefore=19)
    await tab.until(NEAR)
    script = "() => new Promise((told) => session.subscribe(({expiring}) => told([expiring, session.secondsLeft()])))"
    expiring, left = await tab.page.evaluate(script)
    assert expiring
    assert 0 < left <= 19
    late = await open_tab(context, stage, warnBefore=19)
    await late.until(NEAR)


@all_three
async def test_stay_signed_in_in_one_tab_closes_the_dialog_in_all(context: BrowserContext, stage: Stage) -> None:
    tabs = await open_tabs(context, stage, 2, warnBefore=19)
    for tab in tabs:
        await tab.until(NEAR)
    await tabs[0].call("touch")
    for tab in tabs:
        await tab.until('seen.lastIndexOf("active") > seen.indexOf("warned")')
        await tab.until(NEAR)  # and opens it again in its time
    await tabs[1].call("logout")
    for tab in tabs:
        await tab.until("!state.expiring")


@all_three
async def test_the_state_stays_the_same_object_until_subscribers_are_told(
    context: BrowserContext, stage: Stage
) -> None:
    [tab] = await open_tabs(context, stage, 1)
    script = """async () => {
        let told = 0, changed = 0, last = session.state;
        session.subscribe(() => told++);
        const look = () => { if (last !== session.state) { last = session.state; changed++; } };
        for (let number = 0; number < 3; number++) {
            await session.refresh();
            look();
        }
        const before = [told, changed];
        await session.set({n: 1});
        look();
        return [before, told, changed];
    }"""

    assert await tab.page.evaluate(script) == [[1, 0], 2, 1]


async def test_all_tabs_warn_and_end_and_not_all_of_them_ask(context: BrowserContext, stage: Stage) -> None:
    # Locks and messages go between processes by ways of their own, and neither is ordered after the other: the tab that
    # gets the lock next may not have heard yet what the one before it learnt, and asks too.
    most = 2
    await stop_clocks(context, stage)
    tabs = await open_tabs(context, stage, 4)
    await pass_time(context, stage, 11)
    stage.asked.clear()
    await pass_time(context, stage, 2)
    for tab in tabs:
        await tab.until(NEAR)
    assert 1 <= stage.count("GET /session/") == len(stage.asked) <= most
    await pass_time(context, stage, 9)
    for tab in tabs:
        await tab.until('seen.at(-1) === "ended idle_timeout"')

    assert len(stage.asked) <= 2 * most


async def test_what_was_extended_elsewhere_neither_warns_nor_ends(context: BrowserContext, stage: Stage) -> None:
    await stop_clocks(context, stage)
    tabs = await open_tabs(context, stage, 2)
    for _ in range(3):
        await pass_time(context, stage, 11)
        assert (await context.request.post(f"{stage.url}/session/touch")).ok  # the same browser, and no tab
    await pass_time(context, stage, 11)

    for tab in tabs:
        assert {"warned", "ended"}.isdisjoint(await tab.seen())
        assert (await tab.state())["status"] == "active"


async def test_out_of_reach_it_ends_by_the_clock_and_says_so_once(context: BrowserContext, stage: Stage) -> None:
    await stop_clocks(context, stage)
    tabs = await open_tabs(context, stage, 3)
    await context.set_offline(True)
    await pass_time(context, stage, 13)
    for tab in tabs:
        await tab.until(NEAR)
    await pass_time(context, stage, 8)
    for tab in tabs:
        await tab.until('seen.at(-1) === "ended idle_timeout"')
        assert not (await tab.state())["expiring"]
    await context.set_offline(False)
    await pass_time(context, stage, 2)
    for tab in tabs:
        await tab.call("refresh")
        assert (await tab.seen()).count("ended idle_timeout") == 1


async def test_ended_by_the_clock_and_alive_after_all_it_is_corrected(context: BrowserContext, stage: Stage) -> None:
    await stop_clocks(context, stage)
    tabs = await open_tabs(context, stage, 2)
    await context.set_offline(True)
    await pass_time(context, stage, 17)
    cookies = await context.cookies()
    stay = await context.browser.new_context()  # type: ignore[union-attr]  # the session's other browser
    await stay.add_cookies(cookies)  # type: ignore[arg-type]
    assert (await stay.request.post(f"{stage.url}/session/touch")).ok
    await stay.close()
    await pass_time(context, stage, 4)
    for tab in tabs:
        await tab.until('state.status === "ended"')
    await context.set_offline(False)
    await pass_time(context, stage, 2)
    for tab in tabs:
        await tab.until('state.status === "active"')


async def test_it_goes_by_the_server_s_clock(context: BrowserContext, stage: Stage) -> None:
    for skew in (-86_400_000, 86_400_000):
        stage.skew = skew
        tab = await open_tab(context, stage)
        await tab.call("start")
        assert 10 < await tab.page.evaluate("session.secondsLeft()") <= 20
        await tab.call("logout")
        await tab.page.close()


async def test_a_page_that_returns_or_wakes_asks_at_once(context: BrowserContext, stage: Stage) -> None:
    await stop_clocks(context, stage)
    [tab] = await open_tabs(context, stage, 1)
    for wake in (
        "dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))",
        "document.dispatchEvent(new Event('visibilitychange', {bubbles: true}))",
    ):
        asked = stage.count("GET /session/")
        await pass_time(context, stage, 6)
        # From here on no timer runs, as in a hidden tab of Firefox: whoever holds the lock must not wait for one.
        await tab.page.evaluate(f"() => void {wake}")
        await stage.until_asked("GET /session/", asked + 1)
        assert stage.count("GET /session/") == asked + 1
        await tab.call("refresh")  # the answer, by which it goes from now on


async def test_after_a_sleep_it_asks_though_no_timer_had_run(context: BrowserContext, stage: Stage) -> None:
    await stop_clocks(context, stage)
    [tab] = await open_tabs(context, stage, 1)
    asked = stage.count("GET /session/")
    await tab.page.clock.fast_forward(18_000)  # a timer that was due six seconds ago comes now
    await stage.until_asked("GET /session/", asked + 1)


@both
async def test_a_tab_that_asks_and_is_frozen_keeps_nobody_waiting_for_ever(
    context: BrowserContext, stage: Stage
) -> None:
    await stop_clocks(context, stage)
    [tab] = await open_tabs(context, stage, 1)
    await pass_time(context, stage, 13)
    frozen = await context.new_page()
    await frozen.goto(f"{stage.url}/blank")
    await frozen.evaluate(
        """() => new Promise((held) => void navigator.locks.request(
            `sojourn:${location.origin}/session:cookie`, () => { held(); return new Promise(() => {}); }))"""
    )
    await pass_time(context, stage, 20)
    await tab.until('seen.at(-1) === "ended idle_timeout"')
