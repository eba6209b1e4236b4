"""examples/one-session in a real Chromium: nginx, four back ends in four languages, and one session in all of them."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext, Locator, Page, expect

from tests.server import Server, run_server
from tests.servers.process import is_alive
from tests.servers.waiting import wait_until

from .webkit import WebKitContext

ROOT = Path(__file__).parents[2]
LAUNCHER = [sys.executable, str(ROOT / "examples/one-session/launcher.py"), "--port", "{port}"]
TOKEN = re.compile(r"sj1-[0-9a-f]{32}-[0-9a-f]{64}")
PATIENCE = 100.0  # the first start builds for .NET

LANGUAGES = {"python": "Python", "express": "Node", "php": "PHP", "aspnet": ".NET"}
HAS_SDK = (ROOT / ".build/dotnet/ready").exists()
BACK_ENDS = [name for name in LANGUAGES if name != "aspnet" or HAS_SDK]
no_sdk = pytest.mark.skipif(not HAS_SDK, reason="scripts/dotnet has fetched no SDK")
at_each = pytest.mark.parametrize(
    "at", [pytest.param(name, marks=no_sdk if name == "aspnet" else ()) for name in LANGUAGES]
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    log = tmp_path_factory.mktemp("one-session") / "output.log"
    with run_server(LAUNCHER, log, env={"SOJOURN_LOG_LEVEL": "debug"}, patience=PATIENCE) as site:
        left_out = re.findall(r"^(\w+) *\| left out.*", site.output(), re.MULTILINE)
        assert [name for name in LANGUAGES if name not in left_out] == BACK_ENDS, site.output()
        yield site
    assert not TOKEN.search(site.output())


async def open_page(context: BrowserContext, site: Server) -> Page:
    page = await context.new_page()
    page.on("pageerror", lambda error: pytest.fail(f"The page threw: {error}"))
    await page.goto(site.url)
    await expect(page.locator("#presence")).not_to_have_text("Asking…")
    return page


@pytest.fixture
async def page(context: BrowserContext, site: Server) -> Page:
    return await open_page(context, site)


def card(page: Page, name: str) -> Locator:
    return page.locator(f".card[data-by={name}]")


async def sign_in(page: Page, at: str) -> None:
    await page.bring_to_front()  # Chromium is slow to click in a tab that lies behind
    await card(page, at).get_by_role("button", name="Sign in").click()


async def all_say(page: Page, user: str) -> None:
    for name in BACK_ENDS:
        await expect(card(page, name).locator(".user")).to_have_text(user)


async def told_by_all(context: BrowserContext, site: Server) -> list[dict[str, Any]]:
    """What each back end answers, asked at once."""
    answers = await asyncio.gather(*(context.request.get(f"{site.url}/{name}/") for name in BACK_ENDS))
    return [await answer.json() for answer in answers]


# One session


@at_each
async def test_who_signs_in_at_one_is_known_at_all(context: BrowserContext, page: Page, site: Server, at: str) -> None:
    other = await open_page(context, site)
    await page.get_by_label("Name").fill(f"Ada of {at}")
    await page.get_by_label("Password").fill("not this one")
    await sign_in(page, at)
    await expect(card(page, at).locator(".message")).to_have_text("This name and password do not go together.")
    await all_say(page, "Nobody")

    await page.get_by_label("Password").fill("sesame")
    await sign_in(page, at)

    await all_say(page, f"Ada of {at}")
    await all_say(other, f"Ada of {at}")
    (cookie,) = await context.cookies()
    assert (cookie["name"], cookie["httpOnly"], cookie["secure"]) == ("__Host-session", True, True)


@pytest.mark.engines("chromium", "firefox")
async def test_what_each_has_written_is_read_by_each_and_comes_along_at_a_log_in(
    context: BrowserContext, page: Page, site: Server
) -> None:
    for name in BACK_ENDS:
        await card(page, name).get_by_role("button", name="Add", exact=False).first.click()
        await expect(card(page, name).locator(f".things [data-by={name}]")).to_have_count(1)
    await sign_in(page, BACK_ENDS[-1])
    await all_say(page, "Ada")

    told = await told_by_all(context, site)

    assert all(answer == told[0] for answer in told)
    data = told[0]["data"]
    assert data["additions"] == len(BACK_ENDS)
    assert data["cart"] == [{"thing": data[name], "by": name} for name in BACK_ENDS]
    for name in BACK_ENDS:
        await expect(card(page, name).locator(".things li")).to_have_text([data[by] for by in BACK_ENDS])


async def test_fifty_parallel_writes_over_all_of_them_are_all_kept(
    context: BrowserContext, page: Page, site: Server
) -> None:
    await sign_in(page, "python")
    await all_say(page, "Ada")
    for done in (50, 100):
        await page.get_by_role("button", name="Send 50 requests").click()
        told = [f"{LANGUAGES[name]} sees 50 of 50; {done} additions in all" for name in BACK_ENDS]
        await expect(page.locator("#storm-results li")).to_have_text(told)

    # A page has six connections to one site; here are fifty.
    for round in range(3):
        urls = [f"{site.url}/{BACK_ENDS[n % len(BACK_ENDS)]}/cart" for n in range(50)]
        writes = [context.request.post(url, data={"thing": f"{round}.{n}"}) for n, url in enumerate(urls)]
        answers = await asyncio.gather(*writes)
        assert [answer.status for answer in answers] == [200] * 50
    told_last = await told_by_all(context, site)
    for answer in told_last:
        things = [item["thing"] for item in answer["data"]["cart"]]
        assert {f"{round}.{n}" for round in range(3) for n in range(50)} <= set(things)
        assert (len(things), answer["data"]["additions"]) == (250, 250)


# The end


@at_each
async def test_who_logs_out_at_one_is_out_at_all_and_told_why_in_every_tab(
    context: BrowserContext, page: Page, site: Server, at: str
) -> None:
    other = await open_page(context, site)
    await sign_in(page, at)
    await all_say(page, "Ada")
    await all_say(other, "Ada")
    (cookie,) = await context.cookies()

    await card(page, at).get_by_role("button", name="Log out").click()

    for tab in (page, other):
        await all_say(tab, "Nobody")
        await expect(tab.locator("#notice[data-reason=logout]")).to_contain_text(f"At {LANGUAGES[at]}: You logged out.")
    assert await context.cookies() == []
    copied = {"Cookie": f"{cookie['name']}={cookie['value']}"}
    for name in BACK_ENDS:
        assert ask(site, "GET", f"/{name}/", copied) == (200, {"user": None, "ended": "logout", "data": {}})


def opens(site: Server) -> int:
    """How often the service has been asked to open a session."""
    return site.output().count("POST /v1/open 200")


SLOW_WRITES = """
([names, wait]) => {
    const headers = {"Content-Type": "application/json"}, body = JSON.stringify({thing: "too late"});
    window.due = performance.now() + wait; // not before this does any of them write
    window.writes = names.map(async (name) => {
        const answer = await fetch(`/${name}/cart?wait=${wait}`, {method: "POST", headers, body});
        const {type, end_reason} = await answer.json();
        return [answer.status, type, end_reason];
    });
}
"""
LOG_OUT = """
async (at) => {
    await fetch(`/${at}/logout`, {method: "POST"});
    const wasInTime = performance.now() + 50 < due;
    return [wasInTime, await Promise.all(writes)];
}
"""


@at_each
async def test_no_slow_request_of_any_language_brings_a_session_back(
    context: BrowserContext, page: Page, site: Server, at: str
) -> None:
    """The log-out comes after all of them have opened the session, and before any of them writes."""
    await page.goto(f"{site.url}/nothing")  # the same origin, and no script of its own
    for wait in (1_000, 3_000, 5_000):  # a machine may be too busy for the first
        await context.request.post(f"{site.url}/{at}/login", data={"name": "Ada", "password": "sesame"})
        enough = opens(site) + len(BACK_ENDS)
        await page.evaluate(SLOW_WRITES, [BACK_ENDS, wait])
        wait_until(lambda enough=enough: opens(site) == enough, "the session, opened by all")  # type: ignore[misc]
        was_in_time, writes = await page.evaluate(LOG_OUT, at)
        if was_in_time:
            break
    else:
        pytest.fail("This machine is too busy to log out within five seconds.")

    assert writes == [[401, "urn:sojourn:problem:session-ended", "logout"]] * len(BACK_ENDS)
    assert await context.cookies() == []
    assert [answer["user"] for answer in await told_by_all(context, site)] == [None] * len(BACK_ENDS)


@pytest.mark.engines("webkit")
async def test_a_browser_that_keeps_no_secure_cookie_over_http_is_told(context: WebKitContext, site: Server) -> None:
    site.wait_to_print("Safari keeps no Secure cookie")
    page = await context.new_page()
    await page.goto(site.url)
    await page.wait_for_function("() => !document.getElementById('notice').hidden")
    assert "Open this page in another browser" in await page.evaluate(
        "() => document.getElementById('notice').innerText"
    )


async def test_the_page_races_a_log_out_against_all_of_them(page: Page) -> None:
    await sign_in(page, "php")
    await all_say(page, "Ada")
    await page.get_by_label("Log out at").select_option("express")
    await page.get_by_role("button", name="Race them").click()

    told = [f"{LANGUAGES[name]} refused: 401 session-ended, logout" for name in BACK_ENDS]
    await expect(page.locator("#race-results li")).to_have_text(told)
    await all_say(page, "Nobody")


async def test_every_back_end_and_the_page_say_why_a_session_ended_that_another_device_ended(
    chromium: Browser, page: Page, site: Server
) -> None:
    await page.get_by_label("Name").fill("Grace")
    await sign_in(page, "express")
    await all_say(page, "Grace")
    elsewhere = await chromium.new_context()
    await elsewhere.request.post(f"{site.url}/php/login", data={"name": "Grace", "password": "sesame"})
    answer = await elsewhere.request.delete(f"{site.url}/session/sessions", headers={"Origin": site.url})
    assert await answer.json() == {"ended": 1}
    await elsewhere.close()

    await page.reload()

    for name in BACK_ENDS:
        await expect(card(page, name).locator(".reason")).to_have_text("signed out: revoked")
    await expect(page.locator("#notice[data-reason=revoked]")).to_contain_text("from another device")


# The page, and what is around it


async def test_the_page_fits_a_phone(chromium: Browser, site: Server) -> None:
    context = await chromium.new_context(viewport={"width": 360, "height": 740})
    page = await open_page(context, site)
    await page.get_by_label("Name").fill("W" * 40)
    await sign_in(page, "aspnet" if HAS_SDK else "php")
    await all_say(page, "W" * 40)
    for name in BACK_ENDS:
        await context.request.post(f"{site.url}/{name}/cart", data={"thing": "M" * 40})
    await page.get_by_role("button", name="Send 50 requests").click()
    await expect(page.locator("#storm-results li")).to_have_count(len(BACK_ENDS))
    await card(page, "python").get_by_role("button", name="Log out").click()
    await expect(page.locator("#notice")).to_be_in_viewport()

    assert await page.evaluate("document.documentElement.scrollWidth") == 360
    await context.close()


@at_each
def test_a_page_of_another_site_can_have_nothing_written(site: Server, at: str) -> None:
    """Where a browser sends no Sec-Fetch-Site, Origin is held against Host: nginx has to pass on its port."""
    assert ask(site, "POST", f"/{at}/cart", {"Origin": f"http://localhost:{site.port}"})[0] == 200
    for foreign in ("http://localhost", f"http://evil.example:{site.port}", f"https://localhost:{site.port + 1}"):
        assert ask(site, "POST", f"/{at}/cart", {"Origin": foreign})[0] == 403


def ask(site: Server, method: str, path: str, headers: dict[str, str]) -> tuple[int, Any]:
    """The status and what is told in JSON, of a visitor that is no browser."""
    connection = http.client.HTTPConnection("localhost", site.port, timeout=30)
    body = json.dumps({"thing": "tea"}) if method == "POST" else None
    try:
        connection.request(method, path, body, {"Content-Type": "application/json", **headers})
        answer = connection.getresponse()
        told = answer.read()
    finally:
        connection.close()
    return answer.status, json.loads(told) if "json" in answer.headers["Content-Type"] else None


def test_the_service_s_own_endpoints_stay_inside(site: Server) -> None:
    for path in ("/v1/open", "/session/../v1/open", "/session/%2e%2e/v1/open", "/health"):
        assert ask(site, "POST", path, {})[0] == 404


# The launcher


@contextmanager
def launched(log: Path) -> Iterator[tuple[subprocess.Popen[bytes], dict[int, str]]]:
    """A site of its own: the launcher, and every process that it has brought about."""
    with run_server(LAUNCHER, log, patience=PATIENCE) as site:
        wait_until(lambda: "Ctrl-C stops them" in site.output(), "the launcher's word")
        yield site.process, descendants(site.process.pid)


def descendants(pid: int) -> dict[int, str]:
    found: dict[int, str] = {}
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, rest = stat.read_text().partition("(")[2].rsplit(")", 1)
        except OSError:
            continue
        parents[int(stat.parent.name)] = (int(rest.split()[1]), name)
    added = {pid: ""}
    while added:
        added = {child: name for child, (parent, name) in parents.items() if parent in added}
        found |= added
    return found


@pytest.mark.parametrize("last", [signal.SIGINT, signal.SIGKILL], ids=lambda last: last.name)
def test_the_launcher_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last: signal.Signals
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with launched(tmp_path / "output.log") as (process, family):
        assert len(family) > 2 * len(BACK_ENDS)
        process.send_signal(last)
        process.wait(30)
        wait_until(lambda: not any(map(is_alive, family)), f"the end of {family}")
        wait_until(lambda: not [*tmp_path.glob("one-session-*")], "a tidy folder")

    assert process.returncode == (0 if last != signal.SIGKILL else -signal.SIGKILL)


def test_where_one_of_them_dies_the_others_are_stopped_and_the_launcher_says_which(tmp_path: Path) -> None:
    log = tmp_path / "output.log"
    with launched(log) as (process, family):
        victim = min(pid for pid, name in family.items() if name.startswith("php-fpm"))  # not one of its workers
        os.kill(victim, signal.SIGKILL)
        process.wait(30)
        wait_until(lambda: not any(map(is_alive, family)), f"the end of {family}")

    assert process.returncode == 1
    assert "one-session: php ended with -9. So the others were stopped too." in log.read_text()


def test_a_taken_port_is_told_in_a_line(site: Server) -> None:
    command = [word.replace("{port}", str(site.port)) for word in LAUNCHER]

    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    assert (done.returncode, done.stdout) == (1, "")
    told = f"Port {site.port}: Address already in use. Choose another: make one-session PORT={site.port + 1}"
    assert done.stderr == f"one-session: {told}\n"
