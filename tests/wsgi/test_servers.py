"""The WSGI and Flask examples on real servers: Waitress, Gunicorn with threads and processes, Flask's own."""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartServer
from tests.server import Server

ROOT = Path(__file__).parents[2]
GUNICORN = ["gunicorn", "--workers", "2", "--threads", "4", "--chdir", str(ROOT), "--bind", "127.0.0.1:{port}"]
SERVERS = {
    "waitress-wsgi": ["waitress", "--listen", "127.0.0.1:{port}", "examples.wsgi_app:app"],
    "waitress-flask": ["waitress", "--listen", "127.0.0.1:{port}", "examples.flask_app:app"],
    "gunicorn-wsgi": [*GUNICORN, "examples.wsgi_app:app"],
    "gunicorn-flask": [*GUNICORN, "examples.flask_app:app"],
    "flask-flask": ["flask", "--app", str(ROOT / "examples/flask_app.py"), "run", "--port", "{port}"],
}


class Visitor:
    """A browser, as far as these need one: it keeps the cookie, Secure as it is, as browsers do for localhost."""

    def __init__(self, server: Server, cookie: str = "") -> None:
        self._port = server.port
        self.cookie = cookie

    def __call__(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=30)
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


@pytest.fixture(scope="module", params=SERVERS)
def server(
    request: pytest.FixtureRequest, start_server: StartServer, tmp_path_factory: pytest.TempPathFactory
) -> Server:
    folder = tmp_path_factory.mktemp("store")
    env = {"SOJOURN_STORE": f"sqlite:///{folder}/sessions.sqlite3", "PYTHONPATH": str(ROOT)}
    return start_server([sys.executable, "-m", *SERVERS[request.param]], env=env)


def log_in(visitor: Visitor, user: str) -> None:
    assert visitor("POST", "/login", {"user": user, "password": "sesame"})[0] == 200


def test_a_bag_goes_through_a_log_in_and_ends_with_the_log_out(server: Server) -> None:
    visitor = Visitor(server)

    assert visitor("GET", "/account")[0] == 401
    assert visitor("POST", "/bag/tea") == (200, ["tea"])
    anonymous = visitor.cookie
    assert visitor("POST", "/login", {"user": "ada", "password": "wrong"})[0] == 403
    log_in(visitor, "ada")
    assert visitor.cookie[:50] != anonymous[:50]
    assert visitor("POST", "/bag/cup") == (200, ["tea", "cup"])
    assert visitor("GET", "/account")[1]["user"] == "ada"
    mine = visitor.cookie
    assert visitor("POST", "/session/logout")[1]["end_reason"] == "logout"
    status, problem = Visitor(server, mine)("GET", "/account")
    assert (status, problem["end_reason"]) == (401, "logout")


def test_the_page_and_the_client_are_served(server: Server) -> None:
    visitor = Visitor(server)

    assert "createSessionClient" in visitor("GET", "/")[1]
    assert "createSessionClient" in visitor("GET", "/session/client.js")[1]
    assert visitor("POST", "/session/start", {"data": {"theme": "dark"}})[1]["data"] == {"theme": "dark"}
    assert visitor("PATCH", "/session/", {"set": {"bag": []}})[1]["type"] == "urn:sojourn:problem:not-writable"
    assert visitor("GET", "/nothing")[0] == 404


def test_fifty_at_once_lose_nothing(server: Server) -> None:
    visitor = Visitor(server)
    visitor("POST", "/bag/tea")
    with ThreadPoolExecutor(10) as pool:
        visits = [pool.submit(Visitor(server, visitor.cookie), "POST", f"/bag/item{n}") for n in range(50)]
    statuses = {visit.result()[0] for visit in visits}
    _, state = visitor("GET", "/session")

    assert statuses == {200}
    assert sorted(state["data"]["bag"]) == sorted(["tea", *[f"item{n}" for n in range(50)]])


def test_a_changed_password_ends_the_other_sessions(server: Server) -> None:
    here, elsewhere = Visitor(server), Visitor(server)
    log_in(here, "bob")
    log_in(elsewhere, "bob")
    status, found = here("POST", "/password")
    if status == 404:
        # The plain WSGI example has no password; the endpoints end others just so.
        status, found = here("DELETE", "/session/sessions")

    assert (status, found) == (200, {"ended": 1})
    assert here("GET", "/account")[0] == 200
    status, problem = elsewhere("GET", "/account")
    assert (status, problem["end_reason"]) == (401, "revoked")
