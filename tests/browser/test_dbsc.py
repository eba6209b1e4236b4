"""A session in a cookie that Chromium binds to a key of its own: a copy of the cookie opens nothing, and it goes on."""

from __future__ import annotations

import asyncio
import re
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import BrowserContext, Page, Playwright
from starlette.responses import Response

from sojourn import Policy

from .conftest import installed
from .device import start_device
from .stage import Stage, serve

REGISTER, REFRESH = "POST /session/dbsc/register", "POST /session/dbsc/refresh"
FETCH = """([method, path]) => fetch(path, {method}).then((answer) => answer.status)"""

WORKER = """addEventListener("install", () => skipWaiting());
addEventListener("activate", (event) => event.waitUntil(clients.claim()));
addEventListener("fetch", (event) => event.respondWith(fetch(event.request)));"""
BEGIN_WORKER = """async () => {
	const controlled = new Promise((done) => navigator.serviceWorker.addEventListener("controllerchange", done));
	await navigator.serviceWorker.register("/worker.js");
	await controlled;
	return navigator.serviceWorker.controller !== null;
}"""
SOCKET = """() => new Promise((done) => {
	const socket = new WebSocket(location.origin.replace("https", "wss") + "/socket");
	socket.onmessage = ({data}) => done(JSON.parse(data));
	socket.onclose = ({code}) => done(code);
})"""


LOG_IN_WITH_A_SCRIPTS_KEY = """async () => {
	const {createSessionClient} = await import("/session/client.js");
	const {bound} = await import("/session/bound.js");
	const session = createSessionClient({url: "/session", transport: bound()});
	const {status} = await session.fetch("/login", {method: "POST"});
	return status;
}"""


@pytest.fixture
async def stage(certificate: Path) -> AsyncIterator[Stage]:
    stage = Stage(Policy(binding="prefer"))
    async with serve(stage, tls=certificate) as stage.url:
        yield stage


@pytest.fixture
async def device(playwright: Playwright, certificate: Path, tmp_path: Path) -> AsyncIterator[BrowserContext]:
    """A browser with a profile of its own: of one it takes six signatures in nine minutes."""
    async with start_device(playwright, installed("chromium"), tmp_path / "profile", certificate) as device:
        yield device


class Tab:
    """A page of the device, and what Chromium tells of its keys: creation, refresh, termination."""

    def __init__(self, page: Page, stage: Stage) -> None:
        self.page, self.stage = page, stage
        self.told: list[tuple[str, bool]] = []

    async def begin(self) -> None:
        cdp = await self.page.context.new_cdp_session(self.page)
        cdp.on("Network.deviceBoundSessionEventOccurred", self._hear)
        await cdp.send("Network.enable")
        await cdp.send("Network.enableDeviceBoundSessions", {"enable": True})
        await self.page.goto(self.stage.url + "/blank")

    def _hear(self, event: dict[str, Any]) -> None:
        kinds = ("creation", "refresh", "termination")
        self.told += [(kind, event["succeeded"]) for kind in kinds if f"{kind}EventDetails" in event]

    async def until(self, kind: str, times: int = 1) -> None:
        async with asyncio.timeout(45):
            while self.told.count((kind, True)) < times:
                await asyncio.sleep(0.02)

    async def fetch(self, path: str = "/session/", method: str = "GET") -> int:
        status: int = await self.page.evaluate(FETCH, [method, path])
        return status

    async def user(self) -> str | None:
        """Who is logged in, as the server says."""
        state = await self.page.evaluate("() => fetch('/session/').then((answer) => answer.json())")
        user_id: str | None = state["user_id"]
        return user_id

    async def log_in(self, times: int = 1) -> None:
        """Log in, and wait until the session is bound, and Chromium knows."""
        assert await self.fetch("/login", "POST") == 200
        await self.until("creation", times)
        assert await bound(self.stage) == ["hardware"]


@pytest.fixture
async def tab(device: BrowserContext, stage: Stage) -> Tab:
    tab = Tab(await device.new_page(), stage)
    await tab.begin()
    return tab


async def bound(stage: Stage) -> list[str | None]:
    """By what kind of key the store's live sessions are bound."""
    records = await stage.manager._store.scan("", 100)
    return [record.bound for record in records if record.ended_at is None]


async def cookies(device: BrowserContext) -> dict[str, str]:
    return {cookie.get("name", ""): cookie.get("value", "") for cookie in await device.cookies()}


async def lose_bound_cookie(device: BrowserContext) -> None:
    """As it is when its ten minutes are over."""
    for name in await cookies(device):
        if name != "__Host-session":
            await device.clear_cookies(name=name)


async def curl(stage: Stage, cookie: str, path: str = "/session/") -> str:
    command = ["curl", "-sik", "-H", f"Cookie: {cookie}", stage.url + path]
    return (await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=True)).stdout


async def test_the_whole_life_of_a_session_that_the_browser_binds(
    device: BrowserContext, stage: Stage, tab: Tab
) -> None:
    await tab.log_in()
    names = sorted(await cookies(device))
    assert len(names) == 2
    assert [await tab.fetch(), stage.count(REFRESH)] == [200, 0]

    await lose_bound_cookie(device)
    assert await tab.user() == "ada"
    assert stage.count(REFRESH) == 1
    assert sorted(await cookies(device)) == names

    assert await tab.fetch("/session/logout", "POST") == 200
    assert await cookies(device) == {}
    # Chromium asks for the cookie that is gone, and learns that the session is.
    assert await tab.user() is None
    await tab.until("termination")
    assert await cookies(device) == {}
    before = stage.count(REFRESH)
    assert await tab.user() is None
    assert stage.count(REFRESH) == before


async def test_the_browser_s_own_key_takes_the_place_of_the_script_s_that_the_log_in_proved(
    device: BrowserContext, stage: Stage, tab: Tab
) -> None:
    stage.manager.policy = Policy(binding="prefer", rotate_interval=60)
    assert await tab.page.evaluate(LOG_IN_WITH_A_SCRIPTS_KEY) == 200
    await tab.until("creation")
    assert await bound(stage) == ["hardware"]
    first = (await cookies(device))["__Host-session"]

    # No proof of the script's is asked for any more: plain requests renew, and are at their level.
    stage.skew += 121_000
    assert await tab.user() == "ada"
    assert (await cookies(device))["__Host-session"] != first
    assert await tab.fetch("/pay", "POST") == 200
    await lose_bound_cookie(device)
    assert await tab.user() == "ada"


async def test_the_cookie_that_was_copied_opens_nothing(device: BrowserContext, stage: Stage, tab: Tab) -> None:
    await tab.log_in()
    token = (await cookies(device))["__Host-session"]
    loot = f"__Host-session={token}"
    for path in ("/session/", "/pay", "/session/sessions"):
        answer = await curl(stage, loot, path)
        assert answer.startswith("HTTP/1.1 401")
        assert "urn:sojourn:problem:proof-required" in answer
    for path in ("/session/dbsc/refresh", "/session/dbsc/register"):
        assert not re.search(r"\bada\b", await curl(stage, loot, path))

    assert await tab.user() == "ada"
    assert await bound(stage) == ["hardware"]


async def test_requests_at_once_wait_for_one_refresh_and_are_all_served(
    device: BrowserContext, stage: Stage, tab: Tab
) -> None:
    await tab.log_in()
    await lose_bound_cookie(device)
    script = """() => Promise.all(Array.from({length: 50}, () => fetch("/session/").then(({status}) => status)))"""

    assert await tab.page.evaluate(script) == [200] * 50
    assert stage.count(REFRESH) == 1


async def test_behind_a_service_worker_and_over_a_redirect_it_goes_on(
    device: BrowserContext, stage: Stage, tab: Tab
) -> None:
    await tab.log_in()
    stage.answer("GET /worker.js", Response(WORKER, media_type="text/javascript"))
    assert await tab.page.evaluate(BEGIN_WORKER)
    for path in ("/session/", "/moved"):
        await lose_bound_cookie(device)
        assert await tab.fetch(path) == 200
    assert stage.count(REFRESH) == 2
    assert await tab.user() == "ada"


@pytest.mark.parametrize("minutes", [-7, 7])
async def test_a_clock_that_is_minutes_off_signs_nobody_out(
    device: BrowserContext, stage: Stage, tab: Tab, minutes: int
) -> None:
    stage.skew = minutes * 60_000
    await tab.log_in()
    assert await tab.user() == "ada"
    await lose_bound_cookie(device)
    assert await tab.user() == "ada"


async def test_the_bound_cookie_is_renewed_before_a_web_socket(device: BrowserContext, stage: Stage, tab: Tab) -> None:
    await tab.log_in()
    assert await tab.page.evaluate(SOCKET) == "ada"
    await lose_bound_cookie(device)
    assert [await tab.page.evaluate(SOCKET), stage.count(REFRESH)] == ["ada", 1]


async def test_who_follows_a_link_from_another_site_is_served(device: BrowserContext, stage: Stage, tab: Tab) -> None:
    """Before such a navigation Chromium asks for no bound cookie."""
    await tab.log_in()
    await lose_bound_cookie(device)
    await tab.page.goto("data:text/html,<a href='" + stage.url + "/session/'>in</a>")
    await tab.page.click("a")
    await tab.page.wait_for_function("() => document.body.innerText.includes('user_id')", polling=20)

    assert '"user_id":"ada"' in await tab.page.inner_text("body")
    assert await bound(stage) == ["hardware"]


async def test_a_new_log_in_is_bound_anew_and_the_one_before_does_it_no_harm(
    device: BrowserContext, stage: Stage, tab: Tab
) -> None:
    await tab.log_in()
    await tab.log_in(times=2)
    await lose_bound_cookie(device)

    # Both are asked for: the old one is given up.
    assert await tab.user() == "ada"
    await tab.until("termination")
    assert await tab.user() == "ada"
    assert await bound(stage) == ["hardware"]


async def test_an_end_from_elsewhere_and_a_timeout_end_it_in_the_browser(
    device: BrowserContext, stage: Stage, tab: Tab
) -> None:
    await tab.log_in()
    [record] = await stage.manager._store.scan("", 2)
    await stage.manager.revoke(record.id)
    await lose_bound_cookie(device)
    assert await tab.user() is None
    await tab.until("termination")

    await tab.log_in(times=2)
    stage.skew += 13 * 3600_000
    await lose_bound_cookie(device)
    assert await tab.user() is None
    await tab.until("termination", times=2)


async def test_an_outage_ends_nothing(device: BrowserContext, stage: Stage, tab: Tab) -> None:
    await tab.log_in()
    stage.answer_all(Response(status_code=503))
    await lose_bound_cookie(device)
    assert await tab.fetch() == 503
    stage.be_itself()

    assert "termination" not in dict(tab.told)
    assert await bound(stage) == ["hardware"]


async def test_a_browser_that_was_started_anew_goes_on(
    playwright: Playwright, certificate: Path, tmp_path: Path, stage: Stage
) -> None:
    profile = tmp_path / "profile"
    async with start_device(playwright, installed("chromium"), profile, certificate) as device:
        tab = Tab(await device.new_page(), stage)
        await tab.begin()
        assert await tab.page.evaluate(FETCH, ["POST", "/remember"]) == 200
        await tab.until("creation")
        await tab.page.close()
    async with start_device(playwright, installed("chromium"), profile, certificate) as device:
        tab = Tab(await device.new_page(), stage)
        await tab.begin()
        assert set(await cookies(device)) > {"__Host-session"}
        await lose_bound_cookie(device)
        # It has the key and no challenge: it is given one.
        assert await tab.user() == "ada"
        assert stage.count(REFRESH) == 2


async def test_a_browser_that_lost_its_key_is_not_locked_out(device: BrowserContext, stage: Stage, tab: Tab) -> None:
    await tab.log_in()
    await lose_bound_cookie(device)
    stage.answer(REFRESH, Response(status_code=404))
    assert await tab.fetch() == 401
    stage.be_itself()

    assert await cookies(device) == {}
    assert await tab.fetch("/login", "POST") == 200
    assert await tab.user() == "ada"
