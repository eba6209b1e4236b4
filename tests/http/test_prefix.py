"""Behind nginx, which strips a prefix that application or server is told, the endpoints are where its routes are."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.http.browser import Browser
from tests.http.kinds import Kind
from tests.http.site import Site, serve
from tests.servers.nginx import Nginx

PREFIX = "/shop"
TOLD = ["--root-path", PREFIX]
# Who says it: the server, or the application, as FastAPI(root_path=…).
KINDS = [
    *(Kind(framework, "uvicorn", more=TOLD) for framework in ("starlette", "fastapi", "litestar", "quart")),
    Kind("django asgi", "uvicorn", more=TOLD),
    Kind("fastapi", "hypercorn", more=TOLD),
    Kind("fastapi", "uvicorn"),
]


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: f"{kind} {' '.join(kind.more)}".strip())
def told(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    kind: Kind = request.param
    folder = tmp_path_factory.mktemp("site")
    root_path = "" if kind.more else PREFIX
    with serve(kind, folder, f"sqlite:///{folder}/s.sqlite3", processes=False, root_path=root_path) as site:
        yield site


@pytest.fixture
def visitor(told: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    folder = tmp_path_factory.mktemp("proxy") / "nginx"
    with Nginx(folder, told.server.url, prefix=PREFIX) as nginx:
        browser = Browser(nginx.port, Host=f"localhost:{nginx.port}")
        yield browser
        browser.close()


def test_the_endpoints_answer_where_the_routes_do(visitor: Browser) -> None:
    assert visitor.post(f"{PREFIX}/do/login", {"user": "ada"}).status == 200
    assert visitor.get(f"{PREFIX}/see/show").json()["user"] == "ada"

    state = visitor.get(f"{PREFIX}/session/")
    assert (state.status, state.json()["status"]) == (200, "active")
    assert visitor("PATCH", f"{PREFIX}/session/", {"set": {"theme": "dark"}}).json()["data"]["theme"] == "dark"
    listed = visitor.get(f"{PREFIX}/session/sessions").json()["sessions"]
    assert [each["current"] for each in listed] == [True]
    assert visitor.get(f"{PREFIX}/session/client.js").status == 200
    assert visitor.post(f"{PREFIX}/session/logout").json()["status"] == "ended"
    assert visitor.get(f"{PREFIX}/see/show").json()["user"] is None
