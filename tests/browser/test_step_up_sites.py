"""Step-up in Chromium at each framework and each language: from the request that is refused to the one sent again."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import BrowserContext, Page, Request

import adapters.tests.sites as languages
from adapters.tests.session_service import SessionService
from sojourn import SessionManager, open_store
from tests.http import site as frameworks
from tests.http.browser import COOKIE
from tests.http.kinds import KINDS, Kind
from tests.servers.nginx import Nginx

# How many seconds ago a log-in may be: as the frameworks' sites have it.
RECENT = 300

# What the application does where it is to ask its user again. PASSWORD is what the user typed.
PAGE = """async ({path, body, welcome}) => {
	const {createSessionClient} = await import("/session/step-up.js");
	document.body.innerHTML = `<dialog><form method="dialog">
		<label>Password <input type="password"></label> <button>Confirm</button>
	</form></dialog>`;
	const [dialog, password] = [document.querySelector("dialog"), document.querySelector("input")];
	window.refusals = [];
	window.session = createSessionClient({url: "/session", async reauthenticate({code, maxAge}) {
		refusals.push([code, maxAge]);
		dialog.showModal();
		await new Promise((closed) => dialog.addEventListener("close", closed, {once: true}));
		const [, answer] = await send({path, body: body.replace("PASSWORD", password.value)});
		return JSON.stringify(answer) === JSON.stringify(welcome);
	}});
	window.send = async ({path, body}) => {
		const headers = {"Content-Type": "application/json"};
		const answer = await session.fetch(path, {method: "POST", headers, body});
		return [answer.status, await answer.json()];
	};
}"""


@dataclass(frozen=True)
class Shop:
    """A site that sells to who logged in lately: its page, two requests, as path and body, and the answers to them."""

    origin: str
    store: str
    page: str
    pay: tuple[str, Any]
    paid: Any
    log_in: tuple[str, Any]
    welcome: Any

    def token(self) -> str:
        """Of a session of ada's, whose log-in is a second older than it may be."""
        store = open_store(self.store)
        manager = SessionManager(store, clock=lambda: int((time.time() - RECENT - 1) * 1000))
        session = manager.anonymous()
        session.login("ada")
        token = manager.commit(session).token
        store.close()
        assert token is not None
        return token.reveal()


@contextmanager
def in_python(kind: Kind, folder: Path) -> Iterator[Shop]:
    """A framework's, in this framework's manner of asking for a log-in; Django's is its session's."""
    store = f"sqlite:///{folder}/sessions.sqlite3"
    order = {"for": "Zoë", "amount": 12.5, "lines": ["one", "", "🦊"]}
    with frameworks.serve(kind, folder, store, processes=False) as site:
        yield Shop(
            site.origin,
            store,
            page="/public",
            pay=("/do/prove" if kind.framework.startswith("django") else "/proved", order),
            paid={"user": "ada", "body": order},
            log_in=("/do/sign-in", {"user": "ada", "password": "PASSWORD"}),
            welcome={"welcome": True},
        )


@contextmanager
def on_a_service(language: str, folder: Path) -> Iterator[Shop]:
    """One in another language, with the session service beside it, which answers the client."""
    with (
        SessionService(folder / "service", browser={}) as service,
        languages.Site(language, folder, service.url, service.key) as site,
        Nginx(folder / "nginx", f"http://127.0.0.1:{site.port}", beside={"/session": service.url}) as nginx,
    ):
        yield Shop(
            f"http://localhost:{nginx.port}",
            f"sqlite:///{folder}/service/sessions.sqlite3",
            page="/ready",
            pay=("/", {"do": [["require_login", {"within": RECENT}], ["increment", "for Zoë 🦊", 12]]}),
            paid=["ada", 12],
            log_in=("/", {"do": [["sign_in", "ada", "PASSWORD"]]}),
            welcome=[True],
        )


IN_PYTHON = [pytest.param(kind, id=str(kind)) for kind in KINDS]
OTHERS = [kind for kind in languages.each_kind if kind.values[0] in ("express", "php", "aspnetcore")]


@pytest.fixture(params=[*IN_PYTHON, *OTHERS])
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shop]:
    kind = request.param
    with in_python(kind, tmp_path) if isinstance(kind, Kind) else on_a_service(kind, tmp_path) as shop:
        yield shop


async def pay(page: Page, shop: Shop, password: str) -> tuple[Any, list[str]]:
    """What the page was answered, where its user types this, and where it posted to meanwhile."""
    posted: list[str] = []

    def note(sent: Request) -> None:
        if sent.method == "POST":
            posted.append(sent.url.removeprefix(shop.origin))

    page.on("request", note)
    path, body = shop.pay
    order = {"path": path, "body": json.dumps(body)}
    await page.evaluate("(order) => { window.answer = send(order); }", order)
    await page.get_by_label("Password").fill(password)
    await page.get_by_role("button", name="Confirm").click()
    return await page.evaluate("() => answer"), posted


async def test_a_page_asks_its_user_and_sends_the_refused_request_again_where_the_proof_held(
    context: BrowserContext, shop: Shop
) -> None:
    https = shop.origin.replace("http:", "https:")  # as Playwright has it: secure
    await context.add_cookies([{"name": COOKIE, "value": shop.token(), "url": https, "httpOnly": True}])
    page = await context.new_page()
    await page.goto(shop.origin + shop.page)
    path, body = shop.log_in
    await page.evaluate(PAGE, {"path": path, "body": json.dumps(body), "welcome": shop.welcome})
    (status, problem), posted = await pay(page, shop, "a guess")
    assert (status, problem["type"]) == (401, "urn:sojourn:problem:reauthentication-required")
    assert posted == [shop.pay[0], path]

    answer, posted = await pay(page, shop, "sesame")
    assert answer == [200, shop.paid]
    assert posted == [shop.pay[0], path, shop.pay[0]]
    assert await page.evaluate("() => refusals") == [["reauthentication-required", RECENT]] * 2
