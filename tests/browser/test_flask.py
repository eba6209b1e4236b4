"""The Flask and plain WSGI examples in a real Chromium: one page, two tabs, and Flask-free too."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from playwright.async_api import Browser, BrowserContext, Page, expect

from tests.conftest import StartServer
from tests.server import Server

ROOT = Path(__file__).parents[2]
COMMANDS = {
    "flask": ["flask", "--app", str(ROOT / "examples/flask_app.py"), "run", "--port", "{port}"],
    "wsgi": ["waitress", "--port", "{port}", "--host", "127.0.0.1", "examples.wsgi_app:app"],
}


@pytest.fixture(scope="module", params=COMMANDS)
def shop(request: pytest.FixtureRequest, start_server: StartServer, tmp_path_factory: pytest.TempPathFactory) -> Server:
    store = tmp_path_factory.mktemp("shop")
    env = {"SOJOURN_STORE": f"sqlite:///{store}/sessions.sqlite3", "PYTHONPATH": str(ROOT)}
    return start_server([sys.executable, "-m", *COMMANDS[request.param]], env=env)


async def sign_in(page: Page, user: str) -> None:
    await page.get_by_label("Name").fill(user)
    await page.get_by_label("Password").fill("sesame")
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text(f"Hello, {user}")


async def test_the_page_signs_in_and_out_in_every_tab(shop: Server, page: Page, context: BrowserContext) -> None:
    errors: list[object] = []
    context.on("weberror", lambda error: errors.append(error.error))
    other = await context.new_page()
    await page.goto(shop.url)
    await other.goto(shop.url)
    await page.get_by_role("button", name="Put tea into the bag").click()
    await expect(other.locator("#bag")).to_have_text("tea")
    await page.get_by_label("Name").fill("ada")
    await page.get_by_label("Password").fill("wrong")
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("status")).to_have_text("This name and password do not go together.")
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


async def test_the_page_signs_another_device_out(shop: Server, page: Page, chromium: Browser) -> None:
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
