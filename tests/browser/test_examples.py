"""The examples in a real Chromium: examples/browser.html by every framework, and the README's two blocks together."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from playwright.async_api import Browser, BrowserContext, Dialog, Page, expect

from sojourn import Policy
from tests.conftest import StartServer
from tests.server import Server
from tests.shops import SHOPS, serve_shop

from .stage import Stage, serve

ROOT = Path(__file__).parents[2]


def serve_example(start_server: StartServer, folder: Path, app: str, store: Path) -> Server:
    command = [sys.executable, "-m", "uvicorn", "--app-dir", str(folder), f"{app}:app", "--port", "{port}"]
    return start_server(command, env={"SOJOURN_STORE": f"sqlite:///{store}/sessions.sqlite3"})


async def test_the_example_page_works_in_firefox_too(
    start_server: StartServer, firefox: Browser, tmp_path: Path
) -> None:
    context = await firefox.new_context()
    page, other = await context.new_page(), await context.new_page()
    shop = serve_shop(start_server, "fastapi", tmp_path)
    await page.goto(shop.url)
    await other.goto(shop.url)
    await page.get_by_role("button", name="Put tea into the bag").click()
    await expect(page.locator("#bag")).to_have_text("tea")
    await sign_in(page, "ada")
    await expect(other.get_by_role("heading", level=1)).to_have_text("Hello, ada")
    await expect(other.locator("#bag")).to_have_text("tea")
    await page.get_by_role("button", name="Sign out", exact=True).click()
    await expect(other.get_by_role("status")).to_have_text("You signed out.")
    await context.close()


@pytest.fixture(scope="module", params=SHOPS)
def shop(request: pytest.FixtureRequest, start_server: StartServer, tmp_path_factory: pytest.TempPathFactory) -> Server:
    return serve_shop(start_server, request.param, tmp_path_factory.mktemp("shop"))


async def sign_in(page: Page, user: str) -> None:
    await page.get_by_label("Name").fill(user)
    await page.get_by_label("Password").fill("sesame")
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text(f"Hello, {user}")


async def test_the_example_page_signs_in_and_out_in_every_tab(
    shop: Server, page: Page, context: BrowserContext
) -> None:
    errors: list[object] = []
    context.on("weberror", lambda error: errors.append(error.error))
    other = await context.new_page()
    await page.goto(shop.url)
    await other.goto(shop.url)
    await page.get_by_role("button", name="Put tea into the bag").click()
    await expect(other.locator("#bag")).to_have_text("tea")
    await sign_in(page, "ada")

    await expect(other.get_by_role("heading", level=1)).to_have_text("Hello, ada")
    await expect(other.locator("#bag")).to_have_text("tea")
    await other.get_by_label("Colours").select_option("dark")
    await expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    await page.get_by_role("button", name="Sign out", exact=True).click()
    for tab in (page, other):
        await expect(tab.get_by_role("status")).to_have_text("You signed out.")
        await expect(tab.get_by_role("heading", level=1)).to_have_text("Hello, stranger")
    assert errors == []


async def test_the_example_page_signs_another_device_out(shop: Server, page: Page, chromium: Browser) -> None:
    phone = await chromium.new_page()
    await phone.goto(shop.url)
    await sign_in(phone, "bob")
    await page.goto(shop.url)
    await sign_in(page, "bob")

    await expect(page.locator("#devices li")).to_have_count(2)
    await page.get_by_role("button", name="Sign the others out").click()
    await expect(page.locator("#devices li")).to_have_count(1)
    await phone.reload()
    await expect(phone.get_by_role("status")).to_have_text("You were signed out from another device.")
    await phone.close()


@pytest.mark.engines("chromium", "firefox")
async def test_the_example_page_counts_down_and_stay_signed_in_in_one_tab_closes_its_dialog_in_all(
    context: BrowserContext,
) -> None:
    stage = Stage(Policy(idle_timeout=62, touch_interval=0))  # the page warns a minute before the end
    async with serve(stage) as stage.url:
        page, other = await context.new_page(), await context.new_page()
        for tab in (page, other):
            await tab.goto(f"{stage.url}/example")
        await sign_in(page, "ada")
        for tab in (page, other):
            dialog = tab.get_by_role("dialog")
            await expect(dialog).to_be_visible()
            await expect(dialog).to_contain_text(re.compile("signed out in [56]\\d seconds"))
            said = await dialog.inner_text()
            await expect(dialog).not_to_contain_text(said.splitlines()[0])
        closed = "() => new Promise((done) => document.querySelector('dialog').addEventListener('close', done))"
        await other.evaluate(f"() => {{ window.wasClosed = ({closed})().then(() => true); }}")
        await page.get_by_role("button", name="Stay signed in").click()
        assert await other.evaluate("() => window.wasClosed")


async def test_the_readme_s_page_works_with_the_readme_s_application(
    start_server: StartServer, tmp_path: Path, page: Page
) -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    (python,) = re.findall(r"^```python\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    (script,) = re.findall(r"^```js\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    python = python.replace('"sessions.sqlite3"', repr(str(tmp_path / "sessions.sqlite3")))
    tmp_path.joinpath("readme.py").write_text(python)
    server = serve_example(start_server, tmp_path, "readme", tmp_path)
    html = f'<!doctype html><script type="module">{script}\nwindow.session = session;</script>'
    await page.route("**/page", lambda route: route.fulfill(body=html, content_type="text/html"))
    said: list[str] = []

    async def answer(dialog: Dialog) -> None:
        said.append(dialog.message)
        await dialog.accept()

    page.on("dialog", answer)
    await page.goto(f"{server.url}/page")
    await expect(page).to_have_title("Hello ada")
    await page.wait_for_function("window.session?.state.data.theme === 'dark'")
    await page.evaluate("session.logout()")
    await expect(page).to_have_title("Hello stranger")

    assert said == ["You are signed out: logout."]
