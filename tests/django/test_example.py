"""examples/django_app, run as its reader would: by one command."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from tests.server import Server, run_server

EXAMPLE = Path(__file__).parents[2] / "examples" / "django_app" / "manage.py"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("shop")
    env = {"SHOP_FOLDER": str(folder), "DJANGO_SETTINGS_MODULE": "shop.settings"}
    command = [sys.executable, str(EXAMPLE), "runserver", "--noreload", "{port}"]
    with run_server(command, folder / "output.log", env=env) as server:
        yield server


class Visitor:
    """A browser that keeps the session's cookie."""

    def __init__(self, server: Server) -> None:
        self._port, self.cookie = server.port, ""

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        connection = HTTPConnection("localhost", self._port, timeout=30)
        sent = "" if body is None else json.dumps(body)
        headers |= {"Content-Type": "application/json"} | ({"Cookie": self.cookie} if self.cookie else {})
        connection.request(method, path, sent, headers)
        response = connection.getresponse()
        text = response.read()
        connection.close()
        for value in response.headers.get_all("Set-Cookie") or []:
            if value.startswith("sessionid="):
                self.cookie = value.partition(";")[0]
        return response.status, json.loads(text) if text.startswith((b"{", b"[")) else text.decode()


def test_the_bag_is_taken_through_a_log_in(shop: Server) -> None:
    visitor = Visitor(shop)

    assert visitor("GET", "/account")[0] == 302
    assert visitor("POST", "/bag/tea") == (200, ["tea"])
    assert visitor("POST", "/login", {"user": "ada", "password": "wrong"})[0] == 403
    assert visitor("POST", "/login", {"user": "ada", "password": "sesame"})[0] == 204
    assert visitor("POST", "/bag/cup") == (200, ["tea", "cup"])
    assert visitor("GET", "/account") == (200, {"user": "ada", "devices": 1})
    assert visitor("GET", "/session/")[1]["data"] == {"name": "ada", "bag": ["tea", "cup"]}


def test_its_page_and_the_client_are_served(shop: Server) -> None:
    visitor = Visitor(shop)

    assert "createSessionClient" in visitor("GET", "/")[1]
    assert 'data.name ?? "stranger"' in visitor("GET", "/")[1]
    assert "createSessionClient" in visitor("GET", "/session/client.js")[1]
    assert "Sign in" in visitor("GET", "/admin/login/")[1] or "Log in" in visitor("GET", "/admin/login/")[1]


def test_another_site_is_refused(shop: Server) -> None:
    status, problem = Visitor(shop)("POST", "/bag/tea", Origin="https://evil.test")

    assert (status, problem["type"]) == (403, "urn:sojourn:problem:cross-origin")


def test_it_starts_without_a_warning(shop: Server) -> None:
    assert "System check identified no issues" in shop.output()
    assert "sojourn.W" not in shop.output()
