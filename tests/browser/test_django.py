"""A Django project in a real Chromium: log-in, messages, the admin, the page of devices; with both middlewares."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, BrowserContext, Page, expect

from tests.conftest import StartServer
from tests.django.project.running import run_project
from tests.server import Server

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module", params=["django", "ours"])
def shop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with run_project("gunicorn", request.param, tmp_path_factory.mktemp("shop")) as server:
        yield server


async def sign_in(page: Page, url: str) -> None:
    await page.goto(url)
    await page.get_by_label("Name").fill("ada")
    await page.get_by_label("Password").fill("sesame")
    await page.get_by_role("button", name="Sign in").click()


async def test_a_visitor_shops_signs_in_and_signs_out(shop: Server, page: Page) -> None:
    await page.goto(shop.url)
    await page.get_by_role("button", name="Add tea").click()
    await expect(page.get_by_role("status")).to_have_text("Put tea into the bag.")
    await sign_in(page, f"{shop.url}/login")

    await expect(page.get_by_role("heading")).to_have_text("Hello, ada")
    await expect(page.get_by_role("status")).to_have_text("You are signed in.")
    await expect(page.locator("#bag")).to_have_text("tea")
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_role("heading")).to_have_text("Hello, stranger")
    await expect(page.locator("#bag")).to_have_text("nothing")
    assert await page.context.cookies() == [
        cookie for cookie in await page.context.cookies() if cookie["name"] != "sessionid"
    ]


async def test_the_admin_signs_in_changes_a_password_and_signs_out(shop: Server, page: Page) -> None:
    await page.goto(f"{shop.url}/admin/")
    await page.get_by_label("Username").fill("ada")
    await page.get_by_label("Password").fill("sesame")
    await page.get_by_role("button", name="Log in").click()
    await expect(page.get_by_role("heading", name="Site administration")).to_be_visible()
    await page.goto(f"{shop.url}/admin/auth/user/add/")
    await page.get_by_label("Username").fill("bob")
    await (
        page.get_by_label("Password", exact=True)
        .or_(page.get_by_label("Password:", exact=True))
        .first.fill("a-long-one-9")
    )
    await page.locator("#id_password2").fill("a-long-one-9")
    await page.get_by_role("button", name="Save", exact=True).click()
    await expect(page.locator(".messagelist")).to_contain_text("was added successfully")
    await page.goto(f"{shop.url}/admin/auth/user/")
    await page.get_by_role("button", name="Log out").click()
    await expect(page.locator("body")).to_contain_text("Log in again")


async def test_another_device_is_signed_out_from_the_page(shop: Server, page: Page, chromium: Browser) -> None:
    phone = await chromium.new_page(
        user_agent="Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1"
    )
    await sign_in(phone, f"{shop.url}/login")
    await sign_in(page, f"{shop.url}/login?next=/session/devices/")
    others = page.locator(".devices > li")

    await expect(page.get_by_role("heading", level=1)).to_have_text("Where you are signed in")
    await expect(others.first).to_contain_text("This device")
    await others.filter(has_text="iOS").get_by_role("button", name="Sign out").first.click()
    await expect(page.get_by_role("status")).to_contain_text("1 device is signed out.")
    await phone.reload()
    await expect(phone.get_by_role("heading")).to_have_text("Hello, stranger")
    await phone.close()


async def test_the_example_s_page_keeps_its_tabs_together(
    start_server: StartServer, page: Page, context: BrowserContext, tmp_path: Path
) -> None:
    command = [sys.executable, str(ROOT / "examples/django_app/manage.py"), "runserver", "--noreload", "{port}"]
    shop = start_server(command, env={"SHOP_FOLDER": str(tmp_path), "DJANGO_SETTINGS_MODULE": "shop.settings"})
    other = await context.new_page()
    await page.goto(shop.url)
    await other.goto(shop.url)
    await page.get_by_role("button", name="Put tea into the bag").click()
    await expect(other.locator("#bag")).to_have_text("tea")
    await page.get_by_label("Name").fill("ada")
    await page.get_by_label("Password").fill("sesame")
    await page.get_by_role("button", name="Sign in").click()

    for tab in (page, other):
        await expect(tab.get_by_role("heading", level=1)).to_have_text("Hello, ada")
        await expect(tab.locator("#devices li")).to_have_count(1)
    await page.get_by_role("button", name="Sign out", exact=True).click()
    for tab in (page, other):
        await expect(tab.get_by_role("status")).to_have_text("You signed out.")
