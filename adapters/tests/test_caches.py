"""Express, PHP and ASP.NET Core behind nginx: nobody is given another's page or cookie (docs/caches.md)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

from adapters.tests.session_service import SessionService
from adapters.tests.sites import Site, each_kind
from adapters.tests.visitor import Visitor
from tests.servers.nginx import Nginx

_numbers = count()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SessionService]:
    with SessionService(tmp_path_factory.mktemp("service")) as service:
        yield service


@pytest.fixture(
    scope="module", params=[kind for kind in each_kind if kind.values[0] in ("express", "php", "aspnetcore")]
)
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, service: SessionService
) -> Iterator[Site]:
    url = f"http://127.0.0.1:{service.port}"
    with Site(request.param, tmp_path_factory.mktemp("site"), url, service.key) as site:
        yield site


@pytest.fixture(scope="module")
def nginx(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    with Nginx(tmp_path_factory.mktemp("cache") / "nginx", f"http://127.0.0.1:{site.port}") as nginx:
        yield nginx


def member(site: Site, user: str) -> str:
    visitor = site.visitor()
    visitor.do(["login", user])
    assert visitor.token is not None
    return visitor.token


def look(nginx: Nginx, token: str | None, *steps: Any, test: int) -> tuple[Any, list[str]]:
    """A GET by the cache."""
    answer = Visitor(nginx.port, token).ask(method="GET", do=[*steps, ["facts"]], test=test)
    return answer.results[-1]["user_id"], answer.cookies


def test_a_page_that_read_a_session_is_given_to_nobody_else(site: Site, nginx: Nginx) -> None:
    ada, bob, test = member(site, "ada"), member(site, "bob"), next(_numbers)

    for _ in range(3):
        assert [look(nginx, token, test=test)[0] for token in (ada, bob, None)] == ["ada", "bob", None]


def test_an_answer_that_begins_a_session_is_kept_for_nobody(nginx: Nginx) -> None:
    test = next(_numbers)
    cookies = [look(nginx, None, ["set", "cart", 1], test=test)[1] for _ in range(2)]

    assert [len(each) for each in cookies] == [1, 1]
    assert cookies[0] != cookies[1]
