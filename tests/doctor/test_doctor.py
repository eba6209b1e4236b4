"""`sojourn doctor` on real servers: nothing on the demo, and on others what they deserve."""

from __future__ import annotations

import http.server
import sys
import threading
import time
from collections.abc import Iterator
from html import escape
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from tests.cli.program import COMMAND, Program, Result
from tests.conftest import StartServer
from tests.server import Server

HERE = Path(__file__).parent
PASSWORD = '{"name": "ada", "password": "a long enough password"}'
LOGIN = ["--login", "POST /login user=ada"]
SLOW = ["--slow-write", "POST /slow item={n}"]
CART = [*LOGIN, "--write", "POST /cart item={n}", "--read", "GET /cart"]


@pytest.fixture
def sojourn(tmp_path: Path) -> Program:
    """The program, run in the test's own folder."""
    return Program(tmp_path)


@pytest.fixture(scope="module")
def demo(start_server: StartServer, tmp_path_factory: pytest.TempPathFactory) -> Server:
    """`sojourn demo` with an account."""
    folder = tmp_path_factory.mktemp("demo")
    files = ["--store", f"sqlite:///{folder}/sessions.db", "--users", f"{folder}/users.db"]
    server = start_server([*COMMAND, "demo", "--port", "{port}", *files])
    connection = HTTPConnection("localhost", server.port)
    connection.request("POST", "/demo/sign-up", PASSWORD, {"Content-Type": "application/json"})
    assert connection.getresponse().status == 200
    connection.close()
    return server


GOOD = ("cookies", "caches", "fixation", "adoption", "log-out", "resurrection", "lost updates", "CSRF", "CORS")
UNTIMED = dict.fromkeys(("idle timeout", "absolute timeout"), "not tried")


def found(done: Result) -> dict[str, str]:
    return {finding["check"]: finding["severity"] for finding in done.json["findings"]}


def but_for(**others: str) -> dict[str, str]:
    """All good, but for these."""
    told = {name.replace("_", " ").replace("log out", "log-out"): severity for name, severity in others.items()}
    return dict.fromkeys((*GOOD, "log-out by GET"), "good") | UNTIMED | told


def without_cookies(findings: dict[str, str]) -> dict[str, str]:
    """Where a flag is told, the cookies are not all good."""
    return {check: severity for check, severity in findings.items() if check != "cookies"}


def test_on_the_demo_everything_is_tried_and_good(demo: Server, sojourn: Program) -> None:
    writes = [f'PATCH /session/ {{"set": {{"{key}": "{{n}}"}}}}' for key in ("name", "theme", "accent")]
    words = ["--login", f"POST /demo/sign-in {PASSWORD}", *(word for write in writes for word in ("--write", write))]
    words += ["--slow-write", "POST /demo/slow", "--read", "GET /session/", "--logout", "POST /session/logout"]
    done = sojourn("doctor", "--app", demo.url, *words, "--json", "--report", "r.html")

    assert done.code == 0, done
    assert found(done) == but_for()
    page = (sojourn.folder / "r.html").read_text("utf-8")
    assert "sj1-" not in page + done.out
    assert "a long enough password" not in page + done.out


def test_of_starlettes_own_sessions_it_tells_that_a_log_out_ends_nothing(
    start_server: StartServer, sojourn: Program
) -> None:
    command = [sys.executable, "-m", "uvicorn", "--app-dir", str(HERE), "--factory", "--port", "{port}"]
    server = start_server([*command, "peers:starlette"], path="/cart")
    done = sojourn("doctor", "--app", server.url, *CART, "--json")

    assert found(done) == without_cookies(
        but_for(
            cookie_Secure="cannot tell", log_out="high", resurrection="not tried", lost_updates="medium", CSRF="low"
        )
    )
    assert done.code == 1


def test_of_flask_session_it_tells_fixation_resurrection_and_lost_updates_and_writes_a_report_without_a_token(
    start_server: StartServer, sojourn: Program
) -> None:
    flask = [sys.executable, "-m", "flask", "--app", f"{HERE / 'peers.py'}:flask_session", "run", "--port", "{port}"]
    server = start_server(flask, path="/cart")
    done = sojourn("doctor", "--app", server.url, *CART, *SLOW, "--json", "--report", "r.html")

    assert found(done) == without_cookies(
        but_for(
            cookie_Secure="cannot tell",
            cookie_SameSite="low",
            fixation="high",
            resurrection="high",
            lost_updates="medium",
            CSRF="high",
        )
    )
    page = (sojourn.folder / "r.html").read_text("utf-8")
    assert all(escape(finding["came"]) in page for finding in done.json["findings"])
    assert "session=…" in page


def test_of_djangos_own_sessions_it_tells_lost_updates(start_server: StartServer, sojourn: Program) -> None:
    server = start_server([sys.executable, str(HERE / "django_peer.py"), "{port}"], path="/cart")
    csrf = ["--header", "X-CSRFToken: {cookie:csrftoken}"]
    done = sojourn("doctor", "--app", server.url, *CART, *SLOW, *csrf, "--json")

    assert found(done) == without_cookies(but_for(cookie_Secure="cannot tell", lost_updates="medium"))


def test_of_express_session_it_tells_resurrection_and_lost_updates(start_server: StartServer, sojourn: Program) -> None:
    packages = HERE.parents[1] / "adapters" / "express" / "package.json"
    node = str(Path(sys.executable).with_name("node"))
    server = start_server([node, str(HERE / "express_session.mjs"), "{port}", str(packages)], path="/cart")
    done = sojourn("doctor", "--app", server.url, *CART, *SLOW, "--json")

    assert found(done) == without_cookies(
        but_for(
            cookie_Secure="cannot tell",
            cookie_SameSite="low",
            caches="low",
            resurrection="high",
            lost_updates="medium",
            CSRF="high",
        )
    )


def test_of_phps_own_sessions_it_tells_the_cookies_flags_alone(start_server: StartServer, sojourn: Program) -> None:
    command = ["php", "-S", "localhost:{port}", str(HERE / "native.php")]
    server = start_server(command, path="/cart", env={"PHP_CLI_SERVER_WORKERS": "8"})
    done = sojourn("doctor", "--app", server.url, *CART, *SLOW, "--json")

    assert found(done) == without_cookies(
        but_for(cookie_Secure="cannot tell", cookie_HttpOnly="medium", cookie_SameSite="low", CSRF="high")
    )


class Liar(http.server.BaseHTTPRequestHandler):
    """Answers each path in a way of its own."""

    def do_GET(self) -> None:
        if self.path == "/noise":
            self.wfile.write(b"SSH-2.0-nothing\r\n" * 9)
            return
        self.send_response({"/loop": 302, "/fails": 500}.get(self.path, 200))
        self.send_header("Location", self.path)
        self.end_headers()
        if self.path == "/endless":
            piece, deadline = b"x" * 65536, time.monotonic() + 60
            while time.monotonic() < deadline:
                self.wfile.write(piece)

    def do_POST(self) -> None:
        self.do_GET()

    def handle(self) -> None:
        try:
            super().handle()
        except OSError:
            """It was not read on."""

    def log_message(self, *args: Any) -> None:
        """Not on the test's output."""


@pytest.fixture(scope="module")
def liar() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Liar) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize(
    ("path", "code", "told"),
    [
        ("/noise", 3, "what answers there does not speak HTTP"),
        ("/fails", 2, "--read with 500"),
        ("/loop", 2, "--read is answered as it was before"),
        ("/endless", 2, "--read is answered as it was before"),
    ],
)
def test_an_application_that_lies_is_told_in_words(
    path: str, code: int, told: str, liar: str, sojourn: Program
) -> None:
    write = ["--write", "POST " + path + " n={n}", "--logout", f"POST {path}", "--read", f"GET {path}"]
    done = sojourn("doctor", "--app", liar, "--login", f"POST {path}", *write)

    assert done.code == code
    assert told in done.err
    assert "Traceback" not in done.err
