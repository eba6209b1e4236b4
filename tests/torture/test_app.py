"""`sojourn torture --app` on real servers: it finds what other sessions lose, and finds nothing in Sojourn's."""

from __future__ import annotations

import http.server
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from sojourn.torture.app import APP_RACES
from tests.cli.program import Program, Result
from tests.conftest import StartServer
from tests.server import Server
from tests.servers.nginx import Nginx
from tests.servers.port import find_port

HERE = Path(__file__).parent
LOGIN = 'POST /login {"user": "ada", "password": "tea"}'
ENDPOINTS = {
    "--login": LOGIN,
    "--write": 'POST /cart {"item": {n}}',
    "--slow-write": 'POST /slow {"item": "{n}"}',
    "--read": "GET /cart",
    "--logout": "POST /logout",
}


@pytest.fixture(scope="module")
def shops(start_server: StartServer, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Server]:
    """The shop on each kind of sessions."""
    sessions = f"sqlite:///{tmp_path_factory.mktemp('shop') / 'sessions.db'}"
    uvicorn = [sys.executable, "-m", "uvicorn", "--app-dir", str(HERE), "--factory", "--port", "{port}"]
    return {
        name: start_server([*uvicorn, f"shops:{name}"], path="/cart", env={"SESSIONS": sessions})
        for name in ("right", "whole", "cookie")
    }


def torture(sojourn: Program, url: str, *words: str, **others: str | None) -> Result:
    endpoints = {**ENDPOINTS, **{f"--{name.replace('_', '-')}": text for name, text in others.items()}}
    given = [word for name, text in endpoints.items() if text is not None for word in (name, text)]
    return sojourn("torture", "--app", url, *given, "--rounds", "2", "--seed", "1", *words)


def verdicts(done: Result) -> dict[str, str]:
    return {race["name"]: race["verdict"] for race in done.json["races"]}


def test_an_application_on_sojourn_loses_nothing(shops: dict[str, Server], sojourn: Program) -> None:
    done = torture(sojourn, shops["right"].url, "--json")
    tries = {race["name"]: race["tries"] for race in done.json["races"]}

    assert verdicts(done) == dict.fromkeys([race.name for race in APP_RACES], "ok")
    assert tries == {
        "parallel": 100,
        "parallel-slow": 100,
        "logout": 10,
        "slow-write": 2,
        "old-cookie": 2,
        "fixation": 2,
        "pages": 2,
        "flags": 3,
    }
    assert done.code == 0


@pytest.mark.parametrize(
    ("shop", "comes_through"),
    [("whole", {"old-cookie", "pages"}), ("cookie", {"fixation", "pages", "flags"})],
    ids=["whole", "cookie"],  # not of the sets: their order differs between processes
)
def test_of_other_sessions_it_tells_what_they_lose(
    shop: str, comes_through: set[str], shops: dict[str, Server], sojourn: Program
) -> None:
    done = torture(sojourn, shops[shop].url, "--json")

    assert {name for name, verdict in verdicts(done).items() if verdict == "ok"} == comes_through
    assert {name for name, verdict in verdicts(done).items() if verdict == "lost"} == {
        race.name for race in APP_RACES
    } - comes_through
    assert done.code == 1


KEEPS_PAGES_OF_MEMBERS = """
    proxy_ignore_headers Vary;
    set $visitor 1;
    if ($http_cookie) { set $visitor ""; }
    proxy_no_cache $visitor;
"""


def test_a_cache_that_gives_a_members_page_to_others_is_told(
    shops: dict[str, Server], sojourn: Program, tmp_path: Path
) -> None:
    with Nginx(tmp_path / "right", shops["right"].url) as right:
        done = torture(sojourn, f"http://localhost:{right.port}", "--only", "pages", "--json")
        assert (verdicts(done), done.code) == ({"pages": "ok"}, 0)
    with Nginx(tmp_path / "wrong", shops["right"].url, KEEPS_PAGES_OF_MEMBERS) as wrong:
        done = torture(sojourn, f"http://localhost:{wrong.port}", "--only", "pages", "--json")
        assert (verdicts(done), done.code) == ({"pages": "lost"}, 1)


def test_a_cache_that_gives_a_visitors_page_to_members_is_told(
    shops: dict[str, Server], sojourn: Program, tmp_path: Path
) -> None:
    with Nginx(tmp_path / "nginx", shops["right"].url, "proxy_ignore_headers Vary;") as nginx:
        done = torture(sojourn, f"http://localhost:{nginx.port}")

    assert done.code == 2
    assert "A cache keeps that page (docs/caches.md)" in done.err


def test_a_person_gets_a_table_and_what_was_lost_in_words(shops: dict[str, Server], sojourn: Program) -> None:
    done = torture(sojourn, shops["whole"].url, "--only", "slow-write", "--only", "flags")
    lines = done.out.splitlines()

    assert lines[0] == f"{shops['whole'].url}  2 rounds, seed 1"
    assert [line.split()[:4] for line in lines[3:] if line[:1].strip()] == [
        ["RACE", "TRIES", "LOST", "VERDICT"],
        ["slow-write", "2", "2", "LOST"],
        ["flags", "3", "3", "LOST"],
        ["Lost", "in", "slow-write,", "flags."],
    ]
    assert "    2 of 2: sessions were there again after their log-out" in lines
    assert "    session has no Secure, session has no HttpOnly, session has no SameSite" in lines
    assert done.code == 1


def test_a_form_is_sent_as_a_form_and_the_slow_write_may_be_left_out(
    shops: dict[str, Server], sojourn: Program
) -> None:
    done = torture(sojourn, shops["right"].url, "--json", login="POST /login user=ada&password=tea", slow_write=None)

    assert verdicts(done) == dict.fromkeys([race.name for race in APP_RACES if not race.needs], "ok")


def test_a_slow_write_that_is_none_proves_nothing(shops: dict[str, Server], sojourn: Program) -> None:
    done = torture(sojourn, shops["right"].url, "--json", "--only", "slow-write", slow_write=ENDPOINTS["--write"])

    assert verdicts(done) == {"slow-write": "error"}
    assert "Let it take longer than 0.25 s" in done.json["races"][0]["error"]
    assert done.code == 1


class Guarded(http.server.BaseHTTPRequestHandler):
    """Wants a header with each POST that repeats a cookie, as Django does; a cart for everyone."""

    cart: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.answer(200)

    def do_POST(self) -> None:
        self.cart.append(self.path)
        self.answer(200 if self.headers["X-CSRF"] == "s3cret" else 403)

    def answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("set-cookie", "csrf=s3cret; Secure")
        self.end_headers()
        self.wfile.write("\n".join(self.cart).encode())

    def log_message(self, *args: Any) -> None:
        """Not on the test's output."""


@pytest.fixture
def guarded() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Guarded) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_header_can_repeat_a_cookie(guarded: str, sojourn: Program) -> None:
    endpoints: dict[str, str | None] = {"write": "POST /{n}", "slow_write": None, "login": "POST /login"}
    refused = torture(sojourn, guarded, "--only", "parallel", **endpoints)
    done = torture(sojourn, guarded, "--only", "parallel", "--header", "X-CSRF: {cookie:csrf}", "--json", **endpoints)

    assert refused.code == 2
    assert "--login with 403, --write with 403, --logout with 403" in refused.err
    assert (done.code, verdicts(done)) == (0, {"parallel": "ok"})


# Mistakes


def test_what_the_application_refuses_is_told_before_any_race(shops: dict[str, Server], sojourn: Program) -> None:
    done = torture(sojourn, shops["right"].url, login=LOGIN.replace("tea", "s3cret"), write="POST /cart/ {n}")

    assert (done.code, done.out) == (2, "")
    assert "answered --login with 403, --write with 307" in done.err
    assert "s3cret" not in done.err


def test_a_read_that_does_not_show_what_was_written_is_told(shops: dict[str, Server], sojourn: Program) -> None:
    done = torture(sojourn, shops["right"].url, write='POST /cart {"item": "tea", "n": {n}}')

    assert (done.code, done.out) == (2, "")
    assert "It must show all that was written." in done.err


def test_an_application_that_does_not_answer_is_told(sojourn: Program) -> None:
    port = find_port()
    done = torture(sojourn, f"http://127.0.0.1:{port}")

    assert (done.code, done.out) == (2, "")
    assert f"The application at http://127.0.0.1:{port} does not answer" in done.err


@pytest.mark.parametrize(
    ("url", "others", "told"),
    [
        ("localhost:8000", {}, "The application's URL is like http://localhost:8000"),
        ("http://localhost:many", {}, "The application's URL is like http://localhost:8000"),
        ("http://localhost", {"login": None, "read": None}, "--app needs --login, --read"),
        ("http://localhost", {"login": "/login"}, "An endpoint is a method, a path and perhaps a body"),
        ("http://localhost", {"write": "POST /cart item=tea"}, "--write says nowhere {n}"),
        ("http://localhost", {"slow_write": "POST /slow"}, "--slow-write says nowhere {n}"),
        ("http://localhost", {"header": "X-CSRF"}, "--header is like 'X-CSRFToken: {cookie:csrftoken}'."),
        ("http://localhost", {"during_storm": "reboot"}, "--during-storm is for a STORE."),
    ],
)
def test_wrong_usage_is_told_with_its_mend(
    url: str, others: dict[str, str | None], told: str, sojourn: Program
) -> None:
    done = torture(sojourn, url, **others)

    assert (done.code, done.out) == (2, "")
    assert told in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--only", "index"], "index is no race here. These are: parallel,"),
        (["--only", "parallel-slow"], "The race parallel-slow needs --slow-write."),
    ],
)
def test_a_race_that_cannot_be_run_is_told(words: list[str], told: str, sojourn: Program) -> None:
    done = torture(sojourn, "http://localhost", *words, slow_write=None)

    assert (done.code, done.out) == (2, "")
    assert told in done.err
