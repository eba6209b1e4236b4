"""What examples/django_app shows of Django itself, run by the one command that its reader would use."""

from __future__ import annotations

import pytest

from tests.conftest import StartServer
from tests.server import Server
from tests.shops import Visitor, serve_shop


@pytest.fixture(scope="module")
def shop(start_server: StartServer, tmp_path_factory: pytest.TempPathFactory) -> Server:
    return serve_shop(start_server, "django", tmp_path_factory.mktemp("shop"))


def test_its_pages_know_the_user_the_data_and_the_devices(shop: Server) -> None:
    visitor = Visitor(shop)

    assert visitor("GET", "/account")[0] == 302
    assert visitor("POST", "/bag/tea") == (200, ["tea"])
    assert visitor("POST", "/login", {"user": "ada", "password": "sesame"})[0] == 204
    assert visitor("GET", "/account") == (200, {"user": "ada", "devices": 1})
    assert visitor("GET", "/session/")[1]["data"] == {"name": "ada", "bag": ["tea"]}
    assert 'data.name ?? "stranger"' in visitor("GET", "/")[1]
    assert "Log in" in Visitor(shop)("GET", "/admin/login/")[1]


def test_it_starts_without_a_warning(shop: Server) -> None:
    assert "System check identified no issues" in shop.output()
    assert "sojourn.W" not in shop.output()
