"""The page for operators in Chromium, of a real service: every button by keyboard alone, and what axe finds."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.async_api import ConsoleMessage, Page, expect

from sojourn import Policy, SessionManager, open_store
from sojourn.core.record import Client
from sojourn.manager import milliseconds
from sojourn.service.keys import changing_keys, make_key, read_keys
from tests.server import Server
from tests.service.backend import start

from .npm import PACKAGES
from .test_accessible import AXE, WEAK, WIDE

EVIL = '"><script>document.title = "theirs"</script><img src=x onerror="document.title=1">'
NAME = r"(element) => (element.labels?.[0] ?? element).innerText.trim().replace(/\s+/g, ' ')"
FOCUSED = f"() => ({NAME})(document.activeElement)"
# How often one has to press Tab from here: a guess from the page's order, which the focus then has to keep.
TABS_TO = f"""(name) => {{
	const all = [...document.querySelectorAll("a, button, input:not([type=hidden]), select, summary")];
	const here = all.indexOf(document.activeElement);
	const after = all.findIndex((element, n) => n > here && ({NAME})(element) === name);
	return (after < 0 ? all.findIndex((element) => ({NAME})(element) === name) : after) - here;
}}"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A service's: sessions of three users, and sixty visitors."""
    folder = tmp_path_factory.mktemp("admin")
    manager = SessionManager(open_store(f"sqlite:///{folder}/sessions.db"), Policy(max_sessions=None))
    for user in ["ada"] * 4 + ["grace"] + [EVIL] * 2 + [None] * 60:
        session = manager.anonymous(Client("203.0.113.9", EVIL if user == EVIL else "curl/8"))
        session.start()
        if user is not None:
            session.login(user)
        manager.commit(session)
    manager.close()
    return folder


@pytest.fixture(scope="module")
def key(folder: Path) -> str:
    with changing_keys(folder / "keys.json") as keys:
        key, text = make_key("ada", ["operator"], milliseconds(), os.urandom)
        keys.append(key)
    return text


@pytest.fixture(scope="module")
def service(folder: Path, key: str) -> Iterator[Server]:
    files = ["--store", f"sqlite:///{folder}/sessions.db", "--keys", f"{folder}/keys.json"]
    with start(folder, "--admin", *files, "--audit", f"{folder}/audit.jsonl") as it:
        yield it


UNDER_WAY = re.compile("The store is being read|Counting:")


class Keyboard:
    """A page whose mouse is out of reach."""

    def __init__(self, page: Page, url: str) -> None:
        self.page, self.url = page, url
        self.complaints: list[str] = []
        self.views = [("light", 390), ("dark", 1400)]
        page.on("console", self._note)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    async def reach(self, name: str) -> None:
        """Tab to what is called so."""
        tabs = await self.page.evaluate(TABS_TO, name)
        for _ in range(abs(tabs)):
            await self.page.keyboard.press("Tab" if tabs > 0 else "Shift+Tab")
        assert await self.page.evaluate(FOCUSED) == name, self.page.url

    async def press(self, name: str, heading: str) -> None:
        """Press the link or button, and see the page that it leads to."""
        await self.reach(name)
        await self.page.keyboard.press("Enter")
        await expect(self.page.locator("h1")).to_have_text(heading)

    async def write(self, name: str, text: str) -> None:
        await self.reach(name)
        await self.page.keyboard.insert_text(text)

    async def search(self, user: str) -> None:
        await self.press("Sessions", "Sessions")
        await self.write("User", user)
        await self.page.keyboard.press("Enter")
        await expect(self.page.get_by_label("User")).to_have_value(user)
        await self.settle()

    async def open_first(self) -> None:
        await expect(self.page.locator("tbody a").first).to_be_visible()
        name = await self.page.locator("tbody a").first.inner_text()
        await self.reach(name)
        await self.page.keyboard.press("Enter")
        await expect(self.page.locator("h1")).to_contain_text(f"Session {name}")

    async def settle(self) -> None:
        """Look again for as long as the page says that what it shows is not all: on a busy machine."""
        while await self.page.get_by_text(UNDER_WAY).is_visible():
            await self.press("Look again", await self.page.locator("h1").inner_text())

    async def reads(self, text: str) -> None:
        await expect(self.page.locator("[role=status]").first).to_contain_text(text)

    async def find_nothing(self) -> None:
        """What axe-core, contrast and a narrow window find here: nothing. In one theme and width, then in the other."""
        scheme, width = self.views[0]
        self.views.reverse()
        await self.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        await self.page.set_viewport_size({"width": width, "height": 900})
        await self.page.evaluate((PACKAGES / "axe-core/axe.min.js").read_text())
        assert await self.page.evaluate(AXE) == [], (self.page.url, scheme)
        assert await self.page.evaluate(WEAK) == [], (self.page.url, scheme)
        assert await self.page.evaluate(WIDE) <= 0, (self.page.url, width)

    def _note(self, message: ConsoleMessage) -> None:
        # That an entry was refused, or asked for once more, is no complaint of a page.
        if message.type in ("error", "warning") and "responded with a status of 4" not in message.text:
            self.complaints.append(message.text)


async def test_every_button_does_what_it_says_by_keyboard_alone_and_axe_finds_nothing(
    page: Page, service: Server, key: str, folder: Path
) -> None:
    keyboard = Keyboard(page, service.url)
    await page.goto(f"{service.url}/admin")
    await keyboard.find_nothing()
    await page.keyboard.insert_text("sjk1-no")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("alert")).to_contain_text("no operator's key")
    await page.keyboard.insert_text(key)
    await page.keyboard.press("Enter")
    await expect(page.locator("h1")).to_have_text("Overview")
    await keyboard.settle()
    await expect(page.locator(".tiles")).to_contain_text("67")
    await keyboard.reach("The last hour as a table")
    await page.keyboard.press("Enter")
    await expect(page.locator("details[open] td").first).to_be_visible()
    await keyboard.find_nothing()
    await keyboard.find_nothing()
    await keyboard.press("Look again", "Overview")

    await one_session(keyboard)
    await api_keys(keyboard, key, folder)
    await policy_and_audit(keyboard)

    await keyboard.press("Overview", "Overview")
    await keyboard.press("End everything…", "End every session of everyone?")
    await keyboard.find_nothing()
    await keyboard.write("Your key, once more", key)
    await keyboard.press("End", "Overview")
    while not await page.get_by_text("End of everything: done.").is_visible():
        await keyboard.press("Look again", "Overview")
    await expect(page.locator(".notice")).to_contain_text("63 ended")
    await keyboard.press("Sign out", "Sign in")
    await page.goto(f"{service.url}/admin/policy")
    await expect(page.locator("h1")).to_have_text("Sign in")
    assert keyboard.complaints == []
    assert key[-64:] not in service.output()


async def policy_and_audit(keyboard: Keyboard) -> None:
    """What is read alone."""
    page = keyboard.page
    await keyboard.press("Policy", "Policy")
    await expect(page.locator("table")).to_contain_text("idle_timeout")
    await keyboard.find_nothing()
    await keyboard.press("Audit", "Audit")
    await expect(page.locator("tbody tr").first).to_contain_text("api key revoked")
    await keyboard.find_nothing()
    await keyboard.find_nothing()
    await keyboard.write("User", EVIL)
    await page.keyboard.press("Enter")
    await expect(page.locator("main")).to_contain_text("0 entries on this page")


async def one_session(keyboard: Keyboard) -> None:
    """From the list to a session, to its end, to that of others, and of all."""
    page = keyboard.page
    await keyboard.press("Sessions", "Sessions")
    await keyboard.settle()
    await keyboard.find_nothing()
    await keyboard.press("Next page", "Sessions")
    await keyboard.settle()
    await expect(page.locator("tbody tr")).to_have_count(17)
    await keyboard.search(EVIL)
    await expect(page.locator("tbody tr")).to_have_count(2)
    assert await page.title() == "Sessions · Sojourn"
    await keyboard.search("ada")
    await keyboard.open_first()
    await keyboard.find_nothing()
    await keyboard.reach("End this session…")
    await page.keyboard.press("Enter")
    await expect(page.locator("h1")).to_contain_text("End the session")
    await keyboard.reach("End")
    await page.keyboard.press("Enter")
    await keyboard.reads("The session is ended.")
    await expect(page.locator(".line .end")).to_contain_text("revoked")
    await keyboard.search("ada")
    await keyboard.open_first()
    await keyboard.press("End all others of this user's…", "End all others of ada?")
    await keyboard.reach("End")
    await page.keyboard.press("Enter")
    await keyboard.reads("2 sessions ended.")
    await keyboard.press("End all of this user's…", "End all of ada?")
    await keyboard.press("End", "Sessions")
    await keyboard.reads("1 session ended.")


async def api_keys(keyboard: Keyboard, key: str, folder: Path) -> None:
    """One is made, shown, and revoked."""
    page = keyboard.page
    await keyboard.press("API keys", "API keys")
    await keyboard.find_nothing()
    await keyboard.write("Name", "shop")
    await keyboard.reach("metrics")
    await page.keyboard.press("Space")
    await keyboard.write("Your key, once more", key)
    await keyboard.press("Make the key", "API keys")
    await expect(page.locator(".secret")).to_contain_text("sjk1-")
    made = read_keys(folder / "keys.json")[-1]
    assert (made.name, made.scopes) == ("shop", ("sessions", "metrics"))
    await keyboard.press("Revoke… shop", "Revoke the key shop?")
    await keyboard.press("Cancel", "API keys")
    await keyboard.press("Revoke… shop", "Revoke the key shop?")
    await keyboard.press("Revoke", "API keys")
    await keyboard.reads("The key shop is revoked.")
    assert len(read_keys(folder / "keys.json")) == 1
