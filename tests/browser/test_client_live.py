"""Live: what happens elsewhere shows in an open page by itself, through one stream for all tabs of a browser."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, BrowserContext
from starlette.responses import JSONResponse, Response

from tests.servers.proxy import Proxy

from .conftest import PATIENCE
from .stage import Stage
from .tab import Tab, open_tab

STREAM = "GET /session/events"
GO_LIVE = """async () => {
	const {live} = await import("/session/live.js");
	window.undo = live(session, {url: "/session"});
}"""


async def live_tab(context: BrowserContext, stage: Stage) -> Tab:
    tab = await open_tab(context, stage)
    await tab.settle()
    await tab.page.evaluate(GO_LIVE)
    return tab


async def change(stage: Stage, context: BrowserContext, **data: str) -> None:
    """As another device that holds the same session, or the server's own work, does it."""
    (cookie,) = [each for each in await context.cookies() if each["name"] == "__Host-session"]
    there = await stage.manager.open(cookie["value"])
    there.update(data)
    await stage.manager.commit(there)


async def test_who_is_signed_out_elsewhere_is_told_why_in_the_open_page(browser: Browser, stage: Stage) -> None:
    here, there = await browser.new_context(), await browser.new_context()
    there.set_default_timeout(PATIENCE)
    mine, theirs = await live_tab(here, stage), await live_tab(there, stage)
    for tab in (mine, theirs):
        await tab.log_in()
    await stage.until_asked(STREAM, 2)
    (other,) = [each["id"] for each in await mine.call("list") if not each["current"]]
    assert await mine.call("revoke", other)
    await theirs.until('seen.includes("ended revoked")')

    assert (await theirs.state())["endReason"] == "revoked"
    assert (await mine.state())["status"] == "active"
    for context in (here, there):
        await context.close()


async def test_a_preference_that_was_changed_elsewhere_shows_in_all_tabs_of_one_stream(
    context: BrowserContext, stage: Stage
) -> None:
    tabs = [await live_tab(context, stage) for _ in range(10)]
    await tabs[0].log_in()
    await stage.until_asked(STREAM)
    await change(stage, context, theme="dark")
    for tab in tabs:
        await tab.until('state.data.theme === "dark"')
    assert stage.count(STREAM) == 1

    await tabs[1].call("logout")
    for tab in tabs:
        await tab.until('seen.includes("ended logout")')
        assert (await tab.seen()).count("ended logout") == 1
    assert stage.count(STREAM) == 1


async def test_where_the_tab_that_had_the_stream_is_closed_another_goes_on(
    context: BrowserContext, stage: Stage
) -> None:
    one = await live_tab(context, stage)
    await one.log_in()
    await stage.until_asked(STREAM)
    other = await live_tab(context, stage)
    await other.until('state.userId === "ada"')
    await one.page.close()
    await stage.until_asked(STREAM, 2)
    await change(stage, context, theme="dark")
    await other.until('state.data.theme === "dark"')


async def test_after_a_cut_and_a_restart_the_stream_is_back_by_itself_and_nothing_was_missed(
    context: BrowserContext, stage: Stage
) -> None:
    with Proxy(urlsplit(stage.url).port or 0) as network:
        stage.url = f"http://localhost:{network.port}"
        tab = await live_tab(context, stage)
        await tab.log_in()
        await stage.until_asked(STREAM)
        network.pause()
        network.cut()
        await change(stage, context, theme="dark")
        network.resume()
        await tab.until('state.data.theme === "dark"')

        stage.answer(STREAM, Response(status_code=502))  # a proxy whose server is being started anew
        before = stage.count(STREAM)
        network.cut()
        await stage.until_asked(STREAM, before + 2)
        await change(stage, context, theme="blue")
        stage.be_itself()
        await tab.until('state.data.theme === "blue"')
        await tab.call("revokeOthers")
        assert await stage.manager.revoke_all("ada") == 1
        await tab.until('seen.includes("ended revoked")')


async def test_where_the_server_has_no_stream_it_is_asked_once_and_the_client_is_as_it_was(
    context: BrowserContext, stage: Stage
) -> None:
    stage.answer(STREAM, JSONResponse({"type": "urn:sojourn:problem:no-events"}, 501))
    tab = await live_tab(context, stage)
    await tab.log_in()
    await stage.until_asked(STREAM)
    assert (await tab.call("set", {"theme": "dark"}))["data"] == {"theme": "dark"}
    await asyncio.sleep(1.5)

    assert (stage.count(STREAM), await tab.errors(), tab.thrown) == (1, [], [])


@pytest.mark.parametrize("storage", ["cookie", "local"])
async def test_a_stream_that_is_given_up_is_closed_and_a_token_is_sent_as_with_any_request(
    storage: str, context: BrowserContext, stage: Stage
) -> None:
    tab = await open_tab(context, stage, storage=storage)
    await tab.settle()
    await tab.call("start")
    await tab.page.evaluate(GO_LIVE)
    await stage.until_asked(STREAM)
    following = await _followed(stage, 1)
    assert following == [(await tab.state())["id"]]
    await tab.page.evaluate("() => undo()")
    await _followed(stage, 0)


async def _followed(stage: Stage, count: int) -> list[str]:
    """The sessions that somebody follows, once there are so many."""
    async with asyncio.timeout(45):
        while len(found := _ids(stage)) != count:
            await asyncio.sleep(0.01)
    return found


def _ids(stage: Stage) -> list[str]:
    following = stage.manager._following
    return [id for those in following._by_loop.values() for id in those._by_id] if following else []
