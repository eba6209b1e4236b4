"""Every example, run as its reader would: real processes, real requests."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from examples import custom_store
from tests.conftest import StartServer
from tests.server import Server
from tests.shops import SERVED, Visitor, serve_shop

EXAMPLES = Path(__file__).parents[1] / "examples"


class TestTheCustomStore(custom_store.TestFolderStore):
    """The contract, as `pytest examples/custom_store.py` runs it."""


def serve(start_server: StartServer, folder: Path, name: str) -> Server:
    command = [sys.executable, "-m", "uvicorn", "--app-dir", str(EXAMPLES), f"{name}:app", "--port", "{port}"]
    return start_server(command, env={"SOJOURN_STORE": f"sqlite:///{folder}/sessions.sqlite3"})


@pytest.fixture(scope="module", params=SERVED)
def shop(request: pytest.FixtureRequest, start_server: StartServer, tmp_path_factory: pytest.TempPathFactory) -> Server:
    """The same shop in every framework, and on several servers."""
    return serve_shop(start_server, request.param, tmp_path_factory.mktemp("shop"))


# What needs more of the framework than the others show.
only_full = pytest.mark.parametrize(
    "shop", ["fastapi", "flask", "flask on waitress", "flask on gunicorn"], indirect=True
)


@pytest.fixture(scope="module")
def visits(start_server: StartServer, tmp_path_factory: pytest.TempPathFactory) -> Server:
    return serve(start_server, tmp_path_factory.mktemp("visits"), "starlette_app")


def log_in(visitor: Visitor, user: str) -> int:
    return visitor("POST", "/login", {"user": user, "password": "sesame"})[0]


def needs_log_in(visitor: Visitor) -> bool:
    """Whether the account is refused; Django's own login_required sends its visitors to the log-in page."""
    status, answer = visitor("GET", "/account")
    return status == 302 or (status, answer["type"]) == (401, "urn:sojourn:problem:login-required")


def is_refused(visitor: Visitor, end_reason: str) -> bool:
    """Whether the account is refused because the session ended so; Django's log-in page gives no reason."""
    status, answer = visitor("GET", "/account")
    return status == 302 or (status, answer["end_reason"]) == (401, end_reason)


def test_a_shop_takes_the_bag_through_a_log_in(shop: Server) -> None:
    visitor = Visitor(shop)

    assert needs_log_in(visitor)
    assert visitor("POST", "/bag/tea") == (200, ["tea"])
    anonymous = visitor.cookie
    assert log_in(visitor, "ada") in (200, 204)
    assert visitor.cookie != anonymous
    assert visitor("POST", "/bag/cup") == (200, ["tea", "cup"])
    assert visitor("GET", "/account")[1]["user"] == "ada"
    stale = Visitor(shop, visitor.cookie)
    assert visitor("POST", "/session/logout")[1]["end_reason"] == "logout"
    assert needs_log_in(visitor)
    assert is_refused(stale, "logout")


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
    assert is_refused(elsewhere, "revoked")
    here("POST", "/session/logout")


def test_a_shop_s_page_ends_the_user_s_other_sessions(shop: Server) -> None:
    here, elsewhere = Visitor(shop), Visitor(shop)
    log_in(here, "bob"), log_in(elsewhere, "bob")

    assert here("DELETE", "/session/sessions") == (200, {"ended": 1})
    assert here("GET", "/account")[0] == 200
    assert is_refused(elsewhere, "revoked")
    here("POST", "/session/logout")


def test_a_shop_loses_nothing_of_fifty_requests_at_once(shop: Server) -> None:
    visitor = Visitor(shop)
    visitor("POST", "/bag/tea")
    with ThreadPoolExecutor(10) as pool:
        visits = [pool.submit(Visitor(shop, visitor.cookie), "POST", f"/bag/item{n}") for n in range(50)]
    statuses = {visit.result()[0] for visit in visits}
    _, state = visitor("GET", "/session/")

    assert statuses == {200}
    assert sorted(state["data"]["bag"]) == sorted(["tea", *[f"item{n}" for n in range(50)]])


def test_a_shop_refuses_another_site(shop: Server) -> None:
    status, problem = Visitor(shop)("POST", "/bag/tea", Origin="https://evil.test")

    assert (status, problem["type"]) == (403, "urn:sojourn:problem:cross-origin")


def test_a_shop_serves_its_page_and_the_client(shop: Server) -> None:
    visitor = Visitor(shop)

    assert "createSessionClient" in visitor("GET", "/")[1]
    assert "createSessionClient" in visitor("GET", "/session/client.js")[1]
    assert visitor("POST", "/session/start", {"data": {"theme": "dark"}})[1]["data"] == {"theme": "dark"}
    assert visitor("PATCH", "/session/", {"set": {"bag": []}})[1]["type"] == "urn:sojourn:problem:not-writable"
    assert visitor("GET", "/nothing")[0] == 404


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
    stale = Visitor(visits, visitor.cookie)
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
