"""The Back button after a log-out, in a Chromium that keeps pages whole (bfcache): nothing of who left."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, BrowserContext, Page, Playwright, expect
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount, Route

from sojourn import AsyncSessionManager
from sojourn.asgi import BrowserEndpoints, SessionMiddleware
from sojourn.stores.memory import AsyncMemoryStore

from .conftest import FLAGS, installed
from .stage import serve

SECRET = "Dear ada, your balance is 12"
PRIVATE = """<!doctype html><html lang="en"><title>Private</title><p>{text}</p>
<script type="module">
	import {{createSessionClient}} from "/session/client.js";
	window.kept = [];
	addEventListener("pageshow", ({{persisted}}) => kept.push(persisted));
	window.session = createSessionClient({{url: "/session"}});
	session.on("ended", () => document.querySelector("p").replaceChildren("You left."));
</script>"""
OTHER = '<!doctype html><html lang="en"><title>Other</title><p>Public</p>'


@pytest.fixture(scope="module")
async def chromium(playwright: Playwright) -> AsyncIterator[Browser]:
    """With its back-forward cache, which Playwright turns off."""
    browser = await playwright.chromium.launch(
        executable_path=installed("chromium"), args=FLAGS, ignore_default_args=["--disable-back-forward-cache"]
    )
    yield browser
    await browser.close()


async def private(request: Request) -> Response:
    user = request.session.user_id  # type: ignore[attr-defined]
    return HTMLResponse(PRIVATE.format(text=SECRET if user else "Nobody is here."))


async def other(_: Request) -> Response:
    return HTMLResponse(OTHER)


async def log_in(request: Request) -> Response:
    request.session.login("ada")  # type: ignore[attr-defined]
    return Response()


async def log_out(request: Request) -> Response:
    request.session.logout()  # type: ignore[attr-defined]
    return Response()


def site(*, clears_cache: bool) -> Starlette:
    routes = [
        Route("/private", private),
        Route("/other", other),
        Route("/log-in", log_in, methods=["POST"]),
        Route("/log-out", log_out, methods=["POST"]),
        Mount("/session", BrowserEndpoints()),
    ]
    manager = AsyncSessionManager(AsyncMemoryStore())
    sessions = Middleware(SessionMiddleware, manager=manager, clear_cache_at_logout=clears_cache)
    return Starlette(routes=routes, middleware=[sessions])


async def leave_private_page(page: Page, url: str) -> None:
    """Logs in, looks at the private page, and goes on from there."""
    await page.goto(f"{url}/other")
    await page.evaluate("() => fetch('/log-in', {method: 'POST'})")
    await page.goto(f"{url}/private")
    await expect(page.locator("p")).to_have_text(SECRET)
    await page.wait_for_function("() => window.session?.state.status === 'active'")
    await page.evaluate("() => { location.href = '/other'; }")
    await expect(page.locator("p")).to_have_text("Public")


async def log_out_in(place: str, page: Page, context: BrowserContext, url: str) -> None:
    tab = page
    if place != "the same tab":
        tab = await context.new_page()
        await tab.goto(f"{url}/other")
    await tab.evaluate("() => fetch('/log-out', {method: 'POST'})")


async def go_back(page: Page, *, shown: int) -> None:
    """Goes back to the private page, which will have been shown so many times since it was loaded."""
    await page.evaluate("() => history.back()")
    # One that was kept is not loaded, so there is no load to wait for.
    await page.wait_for_function("(shown) => window.kept?.length === shown", arg=shown, polling=20)


async def test_without_a_log_out_the_page_comes_back_as_it_was(page: Page) -> None:
    async with serve(site(clears_cache=True)) as url:
        await leave_private_page(page, url)
        await go_back(page, shown=2)
        assert await page.evaluate("() => kept") == [False, True]
        await expect(page.locator("p")).to_have_text(SECRET)


@pytest.mark.parametrize("place", ["the same tab", "another tab"])
async def test_after_a_log_out_back_shows_a_new_page(place: str, page: Page, context: BrowserContext) -> None:
    async with serve(site(clears_cache=True)) as url:
        await leave_private_page(page, url)
        await log_out_in(place, page, context, url)
        await go_back(page, shown=1)
        assert await page.evaluate("() => kept") == [False]
        assert SECRET not in await page.content()


@pytest.mark.parametrize("place", ["the same tab", "another tab"])
async def test_a_page_that_was_kept_all_the_same_is_told_by_the_first_answer(
    place: str, page: Page, context: BrowserContext
) -> None:
    async with serve(site(clears_cache=False)) as url:
        asked: list[str] = []
        await leave_private_page(page, url)
        await log_out_in(place, page, context, url)
        page.on("request", lambda request: asked.append(f"{request.method} {request.url.removeprefix(url)}"))
        await go_back(page, shown=2)
        assert await page.evaluate("() => kept") == [False, True]
        await expect(page.locator("p")).to_have_text("You left.")
        assert [what for what in asked if "/session/" in what] == ["GET /session/"]
