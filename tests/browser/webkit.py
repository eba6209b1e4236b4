"""WebKit: WebKitGTK's MiniBrowser by WebDriver, in as much of Playwright's manners as the tests of the client need."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest
from anyio.to_thread import run_sync
from selenium.webdriver import WebKitGTK
from selenium.webdriver.webkitgtk.options import Options
from selenium.webdriver.webkitgtk.service import Service

__all__ = ["WebKitContext", "launch_webkit"]

Told = TypeVar("Told")
PLACES = ("/usr/lib/*/webkit2gtk-*/MiniBrowser", "/usr/lib*/webkit2gtk-*/MiniBrowser")
EVALUATE = """
const [argument, done] = arguments;
(async () => {
	const found = (SOURCE);
	return typeof found === "function" ? found(argument) : found;
})().then((told) => done([true, told]), (error) => done([false, String(error)]));
"""


@contextmanager
def launch_webkit(log: Path) -> Iterator[WebKitGTK]:
    """A browser with a profile of its own, on a screen that nobody sees."""
    program = shutil.which("WebKitWebDriver")
    browsers = [path for place in PLACES for path in Path("/").glob(place[1:])]
    if program is None or shutil.which("Xvfb") is None or not browsers:
        pytest.fail("There is no WebKitGTK: run `make test`, which installs it.")
    with screen() as display:
        options = Options()
        options.binary_location = str(browsers[0])
        options.add_argument("--automation")
        options.set_capability("acceptInsecureCerts", True)
        env = {**os.environ, "DISPLAY": display}
        driver = WebKitGTK(options, Service(program, env=env, log_output=str(log)))
        try:
            yield driver
        finally:
            driver.quit()


@contextmanager
def screen() -> Iterator[str]:
    """An X server's display, as ":1"."""
    reader, writer = os.pipe()
    command = ["Xvfb", "-displayfd", str(writer), "-screen", "0", "1280x1024x24", "-nolisten", "tcp"]
    with subprocess.Popen(command, pass_fds=[writer], stderr=subprocess.DEVNULL) as server:
        os.close(writer)
        try:
            with os.fdopen(reader) as told:
                yield f":{told.readline().strip()}"
        finally:
            server.terminate()


class WebKitContext:
    """The browser's tabs. WebDriver has one voice, so calls of different pages wait for one another."""

    def __init__(self, driver: WebKitGTK) -> None:
        self._driver = driver
        self._speaking = asyncio.Lock()
        self._first = driver.current_window_handle

    async def new_page(self) -> WebKitPage:
        await self.say(lambda: self._driver.switch_to.new_window("tab"))
        return WebKitPage(self, self._driver, await self.say(lambda: self._driver.current_window_handle))

    async def cookies(self) -> list[dict[str, Any]]:
        """Those of the page that was spoken to last."""
        return await self.say(self._driver.get_cookies)

    async def say(self, call: Callable[[], Told]) -> Told:
        async with self._speaking:
            return await run_sync(call)

    async def close(self) -> None:
        """Back to one empty tab, and no cookies. Storage is of each test's own origin."""

        def close() -> None:
            self._driver.delete_all_cookies()
            for handle in self._driver.window_handles:
                if handle != self._first:
                    self._driver.switch_to.window(handle)
                    self._driver.close()
            self._driver.switch_to.window(self._first)

        await self.say(close)


class WebKitPage:
    """A tab."""

    def __init__(self, context: WebKitContext, driver: WebKitGTK, handle: str) -> None:
        self.context = context
        self._driver = driver
        self._handle = handle

    def on(self, event: str, listener: object) -> None:
        """WebDriver tells of no events."""

    async def goto(self, url: str) -> None:
        await self._say(partial(self._driver.get, url))

    async def reload(self) -> None:
        await self._say(self._driver.refresh)

    async def evaluate(self, script: str, argument: Any = None) -> Any:
        is_good, told = await self._say(
            partial(self._driver.execute_async_script, EVALUATE.replace("SOURCE", script), argument)
        )
        assert is_good, told
        return told

    async def wait_for_function(self, script: str, *, polling: int = 20) -> None:
        async with asyncio.timeout(45):
            while not await self.evaluate(f"() => !!({script})()"):
                await asyncio.sleep(polling / 1000)

    async def _say(self, call: Callable[[], Told]) -> Told:
        def say() -> Told:
            self._driver.switch_to.window(self._handle)
            return call()

        return await self.context.say(say)
