"""A front end on another origin than its API: kept sessions, readable refusals, and told causes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import BrowserContext

from tests.server import Server
from tests.servers.port import find_port

from .sites import COMMANDS, Sites
from .stage import Stage, serve
from .tab import Tab, open_tab

TELL = """async ([url, init]) => {
	const answer = await fetch(url, {method: "POST", credentials: "include", ...init}).catch(() => null);
	return answer && [answer.status, (await answer.json().catch(() => null))?.type ?? null];
}"""


@pytest.fixture
async def front() -> AsyncIterator[Stage]:
    """Where the pages come from: another port, and so another origin, of the same site as the API on localhost."""
    stage = Stage()
    async with serve(stage) as stage.url:
        yield stage


@pytest.fixture
async def elsewhere() -> AsyncIterator[Stage]:
    """The same from 127.0.0.1, which to a browser is another site than localhost."""
    stage = Stage()
    async with serve(stage, "127.0.0.1") as stage.url:
        yield stage


async def at(context: BrowserContext, stage: Stage, site: Server, **options: Any) -> Tab:
    """A page of `stage`, whose client asks the site."""
    return await open_tab(context, stage, url=f"{site.url}/session", retries=0, **options)


async def log_in(tab: Tab, site: Server) -> int:
    script = "async (url) => (await session.fetch(url, {method: 'POST'})).status"
    status: int = await tab.page.evaluate(script, f"{site.url}/login")
    return status


@pytest.mark.engines("chromium", "firefox")
async def test_a_session_is_kept_from_another_origin_of_the_same_site(
    context: BrowserContext, front: Stage, sites: Sites
) -> None:
    site = sites.start("starlette", allowed=[front.url], trusted=[front.url])
    for transport in ("fetch", "xhr"):
        one, other = [await at(context, front, site, transport=transport) for _ in range(2)]
        assert await log_in(one, site) == 200
        await other.until('state.userId === "ada"')
        assert (await other.call("set", {"n": 1}))["data"] == {"n": 1}
        assert (await one.call("refresh"))["data"] == {"n": 1}
        assert (await one.call("logout"))["endReason"] == "logout"
        assert await one.errors() == []


@pytest.mark.parametrize("framework", COMMANDS)
async def test_refusals_are_readable_to_a_page_that_cors_allows(
    context: BrowserContext, front: Stage, elsewhere: Stage, sites: Sites, framework: str
) -> None:
    site = sites.start(framework, allowed=[front.url, elsewhere.url], trusted=[front.url])
    tab = await at(context, front, site)
    if framework != "express":
        await tab.until('state.status === "none"')
    assert await tab.page.evaluate(TELL, [f"{site.url}/login", {}]) == [200, None]
    if framework != "express":  # its session's endpoints are the service's
        assert (await tab.call("refresh"))["userId"] == "ada"
        await tab.call("logout")
        assert (await tab.call("touch"))["code"] == "no-session"
        assert await tab.errors() == []

    stranger = await at(context, elsewhere, site)
    told = await stranger.page.evaluate(TELL, [f"{site.url}/login", {}])
    assert told == [403, "urn:sojourn:problem:cross-origin"]

    nowhere = f"127.0.0.1:{find_port()}"
    broken = sites.start(
        framework,
        allowed=[front.url],
        trusted=[front.url],
        SITE_STORE=f"redis://{nowhere}/0",
        SITE_SERVICE=f"http://{nowhere}",
    )
    tab = await at(context, front, broken)
    told = await tab.page.evaluate(TELL, [f"{broken.url}/login", {}])
    assert told == [503, "urn:sojourn:problem:store-unavailable"]
    if framework != "express":
        assert (await tab.call("start"))["code"] == "store-unavailable"


async def test_in_the_wrong_order_a_refusal_cannot_be_read(context: BrowserContext, front: Stage, sites: Sites) -> None:
    site = sites.start("starlette", allowed=[front.url], trusted=[], SITE_ORDER="wrong")
    tab = await at(context, front, site)

    assert await tab.page.evaluate(TELL, [f"{site.url}/login", {}]) is None
    assert (await tab.call("start"))["code"] == "network"


@pytest.mark.engines("chromium", "firefox")
@pytest.mark.parametrize("said", ["", "private, max-age=0, No-Store"])
async def test_a_sign_in_from_another_site_that_leaves_no_session_is_told_with_its_cause(
    context: BrowserContext, elsewhere: Stage, sites: Sites, said: str
) -> None:
    """Also where the application says `no-store` itself, among other things."""
    site = sites.start("starlette", allowed=[elsewhere.url], trusted=[elsewhere.url], SITE_CACHE_CONTROL=said)
    await context.add_init_script("window.warned = []; console.warn = (what) => warned.push(String(what))")
    tab = await at(context, elsewhere, site)
    await tab.until('state.status === "none"')

    assert await log_in(tab, site) == 200
    assert (await tab.state())["status"] == "none"
    assert await tab.errors() == ["cookie-not-kept"]
    assert len(await tab.page.evaluate("() => warned")) == 1


@pytest.mark.engines("chromium", "firefox")
async def test_a_partitioned_cookie_is_kept_from_another_site(
    context: BrowserContext, elsewhere: Stage, sites: Sites
) -> None:
    site = sites.start("starlette", allowed=[elsewhere.url], trusted=[elsewhere.url], SITE_SAME_SITE="none")
    tab = await at(context, elsewhere, site)
    assert await log_in(tab, site) == 200

    assert (await tab.call("set", {"n": 1}))["userId"] == "ada"
    assert await tab.errors() == []


@pytest.mark.parametrize("framework", ["starlette", "flask", "django"])
async def test_a_bearer_token_has_to_be_exposed(
    context: BrowserContext, elsewhere: Stage, sites: Sites, framework: str
) -> None:
    hidden = sites.start(framework, allowed=[elsewhere.url], trusted=[])
    tab = await at(context, elsewhere, hidden, storage="local")
    await tab.until('state.status === "none"')
    assert await log_in(tab, hidden) == 200
    assert (await tab.state())["status"] == "none"
    assert await tab.errors() == ["token-not-exposed"]
    assert (await tab.call("start"))["status"] == "active"
    assert (await tab.call("touch"))["code"] == "no-session"
    assert await tab.errors() == ["token-not-exposed"] * 2

    shown = sites.start(framework, allowed=[elsewhere.url], trusted=[], SITE_EXPOSED='["Sojourn-Token"]')
    tab = await at(context, elsewhere, shown, storage="local")
    assert await log_in(tab, shown) == 200
    assert (await tab.call("set", {"n": 1}))["userId"] == "ada"
    assert await tab.errors() == []
