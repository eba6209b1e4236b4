"""Every example, run as its reader would: real processes, real requests."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any

import pytest

from examples import custom_store
from tests.conftest import StartServer
from tests.server import Server
from tests.shops import SHOPS, serve_shop

EXAMPLES = Path(__file__).parents[1] / "examples"


class TestTheCustomStore(custom_store.TestFolderStore):
    """The contract, as `pytest examples/custom_store.py` runs it."""


class Visitor:
    """A browser, as far as these need one: it keeps the cookie, Secure as it is, as browsers do for localhost."""

    def __init__(self, server: Server) -> None:
        self._port = server.port
        self.cookie = ""

    def __call__(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        connection = HTTPConnection("localhost", self._port, timeout=30)
        headers = {"Cookie": self.cookie} if self.cookie else {}
        if body is not None:
            headers["Content-Type"] = "application/json"
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        response = connection.getresponse()
        text = response.read()
        connection.close()
        self._keep(response)
        return response.status, json.loads(text) if text.startswith((b"{", b"[")) else text.decode()

    def _keep(self, response: HTTPResponse) -> None:
        value = response.getheader("Set-Cookie")
        if value:
            pair, _, attributes = value.partition("; ")
            self.cookie = "" if "Max-Age=0" in attributes else pair


def serve(start_server: StartServer, folder: Path, name: str) -> Server:
    command = [sys.executable, "-m", "uvicorn", "--app-dir", str(EXAMPLES), f"{name}:app", "--port", "{port}"]
    return start_server(command, env={"SOJOURN_STORE": f"sqlite:///{folder}/sessions.sqlite3"})


@pytest.fixture(scope="module", params=SHOPS)
def shop(request: pytest.FixtureRequest, start_server: StartServer, tmp_path_factory: pytest.TempPathFactory) -> Server:
    """The same shop in every framework."""
    return serve_shop(start_server, request.param, tmp_path_factory.mktemp("shop"))


# What needs more of the framework than the others show.
only_full = pytest.mark.parametrize("shop", ["fastapi", "flask"], indirect=True)


@pytest.fixture(scope="module")
def visits(start_server: StartServer, tmp_path_factory: pytest.TempPathFactory) -> Server:
    return serve(start_server, tmp_path_factory.mktemp("visits"), "starlette_app")


def log_in(visitor: Visitor, user: str) -> int:
    return visitor("POST", "/login", {"user": user, "password": "sesame"})[0]


def needs_log_in(visitor: Visitor) -> bool:
    """Whether the account is refused; Django's own login_required sends its visitors to the log-in page."""
    status, answer = visitor("GET", "/account")
    return status == 302 or (status, answer["type"]) == (401, "urn:sojourn:problem:login-required")


def test_a_shop_takes_the_bag_through_a_log_in(shop: Server) -> None:
    visitor = Visitor(shop)

    assert needs_log_in(visitor)
    assert visitor("POST", "/bag/tea") == (200, ["tea"])
    anonymous = visitor.cookie
    assert log_in(visitor, "ada") in (200, 204)
    assert visitor.cookie != anonymous
    assert visitor("POST", "/bag/cup") == (200, ["tea", "cup"])
    assert visitor("GET", "/account")[1]["user"] == "ada"
    visitor("POST", "/session/logout")
    assert needs_log_in(visitor)


def test_a_shop_refuses_a_wrong_password(shop: Server) -> None:
    visitor = Visitor(shop)

    status, answer = visitor("POST", "/login", {"user": "ada", "password": "Sésame"})
    assert (status, answer["detail"]) == (403, "This name and password do not go together.")
    assert visitor.cookie == ""


@only_full
def test_a_shop_ends_other_sessions_when_the_password_changes(shop: Server) -> None:
    here, elsewhere = Visitor(shop), Visitor(shop)
    log_in(here, "bob"), log_in(elsewhere, "bob")

    assert here("POST", "/password") == (200, {"ended": 1})
    assert here("GET", "/account") == (200, {"user": "bob", "devices": 1})
    status, problem = elsewhere("GET", "/account")
    assert (status, problem["end_reason"]) == (401, "revoked")


def test_a_shop_serves_its_page_and_the_client(shop: Server) -> None:
    visitor = Visitor(shop)

    assert "createSessionClient" in visitor("GET", "/")[1]
    assert "createSessionClient" in visitor("GET", "/session/client.js")[1]
    assert visitor("POST", "/session/start", {"data": {"theme": "dark"}})[1]["data"] == {"theme": "dark"}
    assert visitor("PATCH", "/session/", {"set": {"bag": []}})[1]["type"] == "urn:sojourn:problem:not-writable"


def test_the_starlette_example_keeps_what_parallel_visits_write(visits: Server) -> None:
    visitor = Visitor(visits)
    visitor("POST", "/visit/home")
    with ThreadPoolExecutor(20) as pool:
        statuses = list(pool.map(lambda n: visitor("POST", f"/visit/page{n}")[0], range(20)))
    _, shown = visitor("GET", "/")

    assert statuses == [204] * 20
    assert shown["data"] == {"visits": 21, "home": True, **{f"page{n}": True for n in range(20)}}


def test_the_starlette_example_logs_events_and_no_token(visits: Server) -> None:
    visitor = Visitor(visits)
    visitor("POST", "/visit/home")
    secret = visitor.cookie[-64:]
    stale = Visitor(visits)
    stale.cookie = visitor.cookie
    assert visitor("POST", "/leave")[0] == 204

    assert stale("GET", "/")[1] == {"status": "ended", "end_reason": "logout", "data": {}}
    output = visits.output()
    assert "SessionCreated" in output
    assert "Ended" in output
    assert secret not in output


def test_the_script_prints_what_it_says() -> None:
    command = [sys.executable, str(EXAMPLES / "script.py")]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.splitlines() == [
        "20 of 20 keys kept, 20 writes counted",
        "The session ended (logout) while this request was at work. Its changes were not kept.",
        "The token opens: ended, logout",
        "2 other sessions revoked, 0 left",
    ]
