"""The client's `bound` in a real browser, against sites of other languages over a session service."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.async_api import BrowserContext

from adapters.tests.express_site import EXPRESS, build
from adapters.tests.session_service import SessionService
from tests.server import run_server
from tests.servers.port import find_port

from .npm import NODE
from .tab import Tab
from .test_bound import OPEN, curl, stored

ME = "() => session.fetch('/me').then((answer) => answer.json())"
VISIT = "() => session.fetch('/visits', {method: 'POST'}).then((answer) => answer.json())"


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An Express site, and the session service's own endpoints, on one origin."""
    folder, port = tmp_path_factory.mktemp("site"), find_port()
    origin = f"http://localhost:{port}"
    browser = {"script_readable_tokens": True, "public_origin": origin}
    with SessionService(folder / "service", {"binding": "prefer"}, browser=browser) as service:
        env = {"SOJOURN_EXPRESS": str(build()), "SOJOURN_SERVICE": service.url, "SOJOURN_KEY": service.key}
        env |= {"PORT": str(port), "SITE_PUBLIC_ORIGIN": origin}
        command = [NODE, str(EXPRESS / "test" / "bound_site.js")]
        with run_server(command, folder / "site.log", path="/page", env=env, port=port):
            yield origin


async def open_bound(context: BrowserContext, origin: str, storage: str, transport: str) -> Tab:
    tab = Tab(await context.new_page())
    await tab.page.goto(f"{origin}/page")
    await begin(tab, storage, transport)
    return tab


async def begin(tab: Tab, storage: str, transport: str) -> None:
    await tab.page.wait_for_function("() => window.createSessionClient", polling=20)
    await tab.page.evaluate(OPEN, [storage, transport])


async def user(tab: Tab) -> Any:
    return (await tab.page.evaluate(ME))["user"]


@pytest.mark.parametrize(("storage", "transport"), [("local", "fetch"), ("session", "xhr"), ("memory", "fetch")])
async def test_the_whole_life_of_a_bound_session(
    context: BrowserContext, origin: str, storage: str, transport: str
) -> None:
    tab = await open_bound(context, origin, storage, transport)
    assert await tab.log_in("ada") == 200
    await tab.until("state.userId === 'ada'")
    assert (await tab.state())["bound"] == "browser"
    assert await user(tab) == "ada"
    await asyncio.gather(*[tab.page.evaluate(VISIT) for _ in range(6)])
    assert await tab.page.evaluate(VISIT) == 7
    assert await tab.log_in("eve") == 200
    await tab.until("state.userId === 'eve'")
    assert (await tab.call("logout"))["endReason"] == "logout"
    assert await user(tab) is None
    assert (tab.thrown, await tab.errors()) == ([], [])


async def test_what_is_copied_to_another_profile_or_to_curl_is_refused(context: BrowserContext, origin: str) -> None:
    tab = await open_bound(context, origin, "local", "fetch")
    assert await tab.log_in("ada") == 200
    loot = await stored(tab)
    [token] = [value for value in loot.values() if value.startswith("sj1-")]
    for shown in (f"Authorization: Bearer {token}", f"Authorization: DPoP {token}", f"Cookie: __Host-session={token}"):
        assert "urn:sojourn:problem:proof-required" in await asyncio.to_thread(curl, f"{origin}/me", shown)

    assert context.browser is not None
    profile = await context.browser.new_context()
    thief = Tab(await profile.new_page())
    await thief.page.goto(f"{origin}/me")
    await thief.page.evaluate("(loot) => Object.assign(localStorage, loot)", loot)
    await thief.page.goto(f"{origin}/page")
    await begin(thief, "local", "fetch")
    assert await user(thief) is None
    assert await stored(thief) == {}
    await profile.close()

    assert await user(tab) == "ada"


async def test_a_page_that_is_loaded_anew_goes_on_with_its_key(context: BrowserContext, origin: str) -> None:
    tab = await open_bound(context, origin, "local", "fetch")
    await tab.log_in("ada")
    await tab.page.reload()
    await begin(tab, "local", "fetch")
    assert await user(tab) == "ada"
