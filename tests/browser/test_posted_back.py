"""A log-in at an identity provider of another site, which sends the visitor back by a form or a link, in Chromium."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey
from playwright.async_api import Page

from adapters.tests.aspnetcore_site import DOTNETS
from adapters.tests.aspnetcore_site import Site as AspNetCore
from adapters.tests.express_site import EXPRESS, Express
from adapters.tests.php_site import PHP, Php
from adapters.tests.session_service import SessionService
from tests.browser.sites import GUNICORN, UVICORN
from tests.server import run_server
from tests.servers.process import Running

pytestmark = pytest.mark.anyio

ADA = {"sub": "ada", "name": "Ada Lovelace", "roles": ["author"], "email_verified": True}


class Provider(Running):
    """Lets everybody in, as ada, by OpenID Connect where that is asked for.

    Its pages are on 127.0.0.1, which to a browser is another site than localhost.
    """

    key = ECKey.generate_key("P-256", {"kid": "1", "alg": "ES256", "use": "sig"})
    nonce: str | None = None

    def __init__(self) -> None:
        host = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/favicon.ico":
                    self.send_error(404)
                    return
                if self.path.startswith("/.well-known/"):
                    self.answer("application/json", json.dumps(host.described()))
                    return
                if self.path == "/keys":
                    self.answer("application/json", json.dumps({"keys": [host.key.as_dict(private=False)]}))
                    return
                asked = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
                host.nonce = asked.get("nonce")
                told = {"code": "xyz", "state": asked["state"]}
                if host.mode == "query":
                    self.send_response(302)
                    self.send_header("Location", f"{asked['redirect_uri']}?{urlencode(told)}")
                    self.end_headers()
                    return
                fields = "".join(f'<input type=hidden name={name} value="{escape(told[name])}">' for name in told)
                action = escape(asked["redirect_uri"])
                page = f'<form method=post action="{action}">{fields}<button>Go back</button></form>'
                self.answer("text/html", page)

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                token = {"access_token": "t", "token_type": "Bearer", "user": "ada"}
                if host.nonce is not None:
                    token["id_token"] = jwt.encode({"alg": "ES256", "kid": "1"}, host.claims(), host.key)
                self.answer("application/json", json.dumps(token))

            def answer(self, kind: str, text: str) -> None:
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.mode = "query"
        self._listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._listener.server_address[1]}"
        Thread(target=self._listener.serve_forever, args=(0.05,), daemon=True).start()

    def described(self) -> dict[str, object]:
        """What it says of itself, by OpenID Connect Discovery."""
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
            "id_token_signing_alg_values_supported": ["ES256"],
        }

    def claims(self) -> dict[str, object]:
        """What it says of ada to who asked last."""
        now = int(time.time())
        return {"iss": self.url, "aud": "shop", "iat": now, "exp": now + 60, "nonce": self.nonce, **ADA}

    def stop(self) -> None:
        self._listener.shutdown()
        self._listener.server_close()


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with Provider() as provider:
        yield provider


PYTHONS = {
    "fastapi": [*UVICORN, "tests.browser.providers.fastapi_site:app"],
    "flask": [*GUNICORN, "tests.browser.providers.flask_site:app"],
    "django": [*GUNICORN, "tests.browser.providers.django_site:app"],
    "django, with its own guard": [*GUNICORN, "tests.browser.providers.django_site:app"],
}


@pytest.fixture(scope="module", params=[*PYTHONS, "express", "php", *(["aspnetcore"] if DOTNETS else [])])
def shop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, provider: Provider) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("shop")
    if request.param in PYTHONS:
        env = {"SITE_STORE": f"sqlite:///{folder}/sessions.sqlite3", "SITE_PROVIDER": provider.url}
        env |= {"SITE_CSRF": "1"} if "guard" in request.param else {}
        with run_server(PYTHONS[request.param], folder / "output.log", env=env) as server:
            yield server.url
        return
    with SessionService(folder / "service") as service:
        environment = {"SOJOURN_SERVICE": service.url, "SOJOURN_KEY": service.key, "SITE_PROVIDER": provider.url}
        site: Express | Php | AspNetCore
        if request.param == "express":
            site = Express(folder / "express", environment, app=EXPRESS / "test" / "provider.js")
        elif request.param == "php":
            site = Php(folder / "php", "fpm", environment, app=PHP / "tests" / "provider.php")
        else:
            site = AspNetCore(folder, DOTNETS[-1], "tests", environment, ["endpoints", "{url}", "again"])
        with site:
            yield f"http://localhost:{site.port}"


async def test_who_logs_in_at_a_provider_keeps_the_cart(
    page: Page, shop: str, provider: Provider, request: pytest.FixtureRequest
) -> None:
    for mode in ("query", "form_post"):
        provider.mode = mode
        await page.context.clear_cookies()
        await page.goto(f"{shop}/add")
        await page.goto(f"{shop}/enter")
        if mode == "form_post":
            await page.get_by_role("button").click()
        await page.wait_for_url(f"{shop}/")
        told = json.loads(await page.inner_text("body"))
        assert (told["user"], told["cart"]) == ("ada", ["tea"])
        if request.node.callspec.params["shop"] in PYTHONS:  # Authlib's own dict of what the provider said
            assert told["userinfo"].items() >= {**ADA, "aud": "shop", "iss": provider.url}.items()


async def test_who_did_not_begin_a_log_in_is_not_logged_in(
    page: Page, shop: str, provider: Provider, request: pytest.FixtureRequest
) -> None:
    """A page of the thief's that posts the thief's own code and state."""
    provider.mode = "form_post"
    await page.goto(f"{shop}/enter")
    await page.context.clear_cookies()
    # ASP.NET Core throws where its own handler finds no correlation cookie: there it is a 500.
    refusals = range(500, 501) if "aspnetcore" in request.node.callspec.params.values() else range(400, 500)
    async with page.expect_response(lambda response: response.status in refusals):
        await page.get_by_role("button").click()
    # A tab of its own: the browser may still be putting a page of its own in the place of an empty answer.
    other = await page.context.new_page()
    await other.goto(f"{shop}/")
    assert json.loads(await other.inner_text("body"))["user"] is None
