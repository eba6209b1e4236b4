"""Pages: how soon one in Chromium shows what was done in another profile, through another process."""

from __future__ import annotations

import asyncio
import random
import shutil
from typing import NamedTuple

from playwright.async_api import Browser, Page, async_playwright

__all__ = ["shown"]

PAIRS = 5
# As in tests/browser.
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]


class _Pair(NamedTuple):
    """The same page in two profiles: what is done here is to be shown there."""

    user: str
    here: Page
    there: Page

    async def try_(self) -> tuple[float, float]:
        """The seconds until a revocation was shown, and until a change was."""
        here, there = self.here, self.there
        id = await there.evaluate("user => begin(user)", self.user)
        await there.wait_for_function("streams", polling=20)
        # One session has its data in one place: who holds it too changes it.
        cookies = await there.context.cookies()
        await here.context.add_cookies(cookies)  # type: ignore[arg-type]  # it takes what it gives
        changed = await self._delay("dark", "set", {"theme": "dark"})
        await here.context.clear_cookies()
        await here.evaluate("user => begin(user)", self.user)
        revoked = await self._delay("revoked", "revoke", id)
        return revoked, changed

    async def _delay(self, word: str, method: str, argument: object) -> float:
        # As with streams that no browser opened.
        await asyncio.sleep(random.random())
        asked: float = await self.here.evaluate("([method, argument]) => act(method, argument)", [method, argument])
        found = await self.there.wait_for_function("word => shown[word]", arg=word, polling=20)
        at: float = await found.json_value()
        return (at - asked) / 1000


async def _pair(browser: Browser, number: int, here: int, there: int) -> _Pair:
    pages = [await (await browser.new_context()).new_page() for _ in range(2)]
    for page, port in zip(pages, (here, there), strict=True):
        await page.goto(f"http://localhost:{port}/page")
    await pages[1].evaluate("listen()")
    return _Pair(f"page{number}", *pages)


async def shown(here: int, there: int, tries: int) -> list[tuple[float, float]]:
    """For each try as `_Pair.try_`: asked of the server at one port, shown by a page of that at the other.

    Both are told by the pages' own clocks, to a millisecond.
    """
    found: list[tuple[float, float]] = []
    async with async_playwright() as playwright:
        executable = shutil.which("chromium-headless-shell") or shutil.which("chromium")
        browser = await playwright.chromium.launch(executable_path=executable, args=FLAGS)

        async def several(number: int) -> None:
            pair = await _pair(browser, number, here, there)
            # The first one is not counted: with it the server begins to listen to its store.
            for each in range(1 + tries // PAIRS):
                taken = await pair.try_()
                if each:
                    found.append(taken)

        await asyncio.gather(*map(several, range(PAIRS)))
        await browser.close()
    return found
