"""Real browsers for the tests in this folder, which are coroutines on asyncio (Playwright's async API).

They run in Chromium, unless `@pytest.mark.engines("chromium", "firefox", "webkit")` says where. Most run in its
headless shell: the same engine, without a browser's windows and profiles, for a third of the CPU time. What is the
browser's own (keys of the device, the way back, refused cookies) has the whole one: with CHROMIUM=chromium all have.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.async_api import Browser, BrowserContext, Page, Playwright, async_playwright, expect
from selenium.webdriver import WebKitGTK

from .sites import Sites
from .stage import Stage, serve
from .webkit import WebKitContext, launch_webkit

HERE = Path(__file__).parent
PATIENCE = 45_000  # milliseconds, for a busy machine
expect.set_options(timeout=PATIENCE)
FLAGS = [
    "--no-sandbox",  # Chromium refuses to run as root with one
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# No processes in store for pages that are never opened.
FIREFOX: dict[str, str | float | bool] = {
    "dom.ipc.processPrelaunch.enabled": False,
    "dom.ipc.processCount": 1,
    "dom.ipc.processCount.webIsolated": 1,
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "engine" in metafunc.fixturenames:
        marker = metafunc.definition.get_closest_marker("engines")
        metafunc.parametrize("engine", marker.args if marker else ["chromium"])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One engine after another, so that each browser is started as seldom as can be."""
    places = [place for place, item in enumerate(items) if item.path.is_relative_to(HERE)]
    ours = sorted((items[place] for place in places), key=engine_of)
    for place, item in zip(places, ours, strict=True):
        item.add_marker(pytest.mark.browser)
        items[place] = item


def engine_of(item: pytest.Item) -> str:
    parameters = getattr(item, "callspec", None)
    return str(parameters.params.get("engine")) if parameters else ""


# Scope "package", not "session": AnyIO's plugin keeps one event loop for as long as an async fixture lives, so a
# browser that outlived this folder would make tests elsewhere, those on trio too, run on its loop.


@pytest.fixture(scope="package")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="package")
async def playwright(anyio_backend: str) -> AsyncIterator[Playwright]:
    async with async_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="package")
async def chromium(playwright: Playwright) -> AsyncIterator[Browser]:
    browser = await playwright.chromium.launch(executable_path=installed("chromium-headless-shell"), args=FLAGS)
    yield browser
    await browser.close()


class Firefoxes:
    """One Firefox, which is started anew now and then: what is left of closed windows makes the next ones dearer."""

    TESTS = 12
    running: Browser | None = None
    left = 0

    def __init__(self, playwright: Playwright) -> None:
        self.playwright = playwright

    async def take(self) -> Browser:
        if self.running is None or self.left == 0:
            await self.close()
            # Debian's own, over WebDriver BiDi: "moz-firefox" is any Firefox that is not Playwright's build.
            self.running = await self.playwright.firefox.launch(
                channel="moz-firefox", executable_path=installed("firefox-esr"), firefox_user_prefs=FIREFOX
            )
            self.left = self.TESTS
        self.left -= 1
        return self.running

    async def close(self) -> None:
        if self.running is not None:
            await self.running.close()


@pytest.fixture(scope="package")
async def firefoxes(playwright: Playwright) -> AsyncIterator[Firefoxes]:
    firefoxes = Firefoxes(playwright)
    yield firefoxes
    await firefoxes.close()


@pytest.fixture
async def firefox(firefoxes: Firefoxes) -> Browser:
    return await firefoxes.take()


@pytest.fixture(scope="package")
def webkit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebKitGTK]:
    with launch_webkit(tmp_path_factory.mktemp("webkit") / "driver.log") as driver:
        yield driver


def installed(browser: str) -> str:
    """The path of a browser; CHROMIUM and FIREFOX name others than Debian's."""
    executable = shutil.which(os.environ.get(browser.partition("-")[0].upper(), browser))
    if executable is None:
        pytest.fail(f"There is no {browser}: run `make test`, which installs it.")
    return executable


@pytest.fixture
def browser(engine: str, request: pytest.FixtureRequest) -> Browser | WebKitGTK:
    found: Browser | WebKitGTK = request.getfixturevalue(engine)
    return found


@pytest.fixture
async def context(engine: str, browser: Browser | WebKitGTK) -> AsyncIterator[BrowserContext | WebKitContext]:
    """A browser profile of its own: no cookies, no storage. Its pages are the tabs of one browser."""
    if not isinstance(browser, Browser):
        found: BrowserContext | WebKitContext = WebKitContext(browser)
    else:
        found = await browser.new_context(ignore_https_errors=True)
        found.set_default_timeout(PATIENCE)
    yield found
    await found.close()


@pytest.fixture
async def page(context: BrowserContext) -> Page:
    """A tab."""
    return await context.new_page()


@pytest.fixture
def sites(tmp_path: Path) -> Iterator[Sites]:
    with ExitStack() as running:
        yield Sites(running, tmp_path)


@pytest.fixture(scope="package")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for localhost, by itself, with its private key in the same file."""
    path = tmp_path_factory.mktemp("tls") / "localhost.pem"
    make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    more = ["-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    subprocess.run([*make, *more, "-keyout", str(path), "-out", f"{path}.crt"], check=True, capture_output=True)
    path.write_text(path.read_text() + Path(f"{path}.crt").read_text())
    return path


@pytest.fixture
def tls(engine: str, request: pytest.FixtureRequest) -> Path | None:
    """A certificate for WebKit, which keeps no Secure cookie without TLS; the others take localhost without."""
    return request.getfixturevalue("certificate") if engine == "webkit" else None


@pytest.fixture
async def stage(tls: Path | None) -> AsyncIterator[Stage]:
    """The endpoints and a log-in, on a server of the test's own."""
    stage = Stage()
    async with serve(stage, tls=tls) as stage.url:
        yield stage
