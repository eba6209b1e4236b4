"""Hostile HTTP: whatever one connection sends, the others are answered and memory stays bounded."""

from __future__ import annotations

import resource
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from tests.server import Server, run_server
from tests.servers.waiting import wait_until
from tests.service.backend import Backend, make_key

# The same service in every way but that its patience ends in a test's time: too soon for what is to be answered.
IMPATIENT = (
    "import sojourn.cli, sojourn.service.bounded_protocol as bounded; bounded.REQUEST_WITHIN = 0.5; sojourn.cli.main()"
)


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> str:
    return make_key(tmp_path_factory.getbasetemp() / "hostile-keys.json", "sessions")


@contextmanager
def serving(tmp_path_factory: pytest.TempPathFactory, *program: str) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("hostile")
    keys = str(tmp_path_factory.getbasetemp() / "hostile-keys.json")
    command = [sys.executable, *program, "serve", "--store", "memory:", "--keys", keys, "--port", "{port}"]
    with run_server(command, folder / "service.log", path="/health") as server:
        yield server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, key: str) -> Iterator[Server]:
    with serving(tmp_path_factory, "-m", "sojourn") as server:
        yield server


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory, key: str) -> Iterator[Server]:
    with serving(tmp_path_factory, "-c", IMPATIENT) as server:
        yield server


def connect(server: Server, text: bytes = b"") -> socket.socket:
    """A connection on which a service that has had enough may hang up before all is sent."""
    caller = socket.create_connection(("127.0.0.1", server.port), timeout=30)
    with suppress(ConnectionResetError, BrokenPipeError):
        caller.sendall(text)
    return caller


def heard(caller: socket.socket) -> bytes:
    """All that comes until the connection ends, or is cut."""
    with caller:
        found = b""
        while True:
            try:
                piece = caller.recv(65536)
            except ConnectionResetError:
                return found
            if not piece:
                return found
            found += piece


def resident(server: Server) -> int:
    """The process's memory, in MiB."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) // 1024


def assert_answers_others(server: Server, key: str) -> None:
    with Backend(server.port, key) as backend:
        assert backend.open("")["status"] == "none"


@pytest.mark.parametrize(
    "start",
    [
        b"",
        b"POST",
        b"POST /v1/open HTTP/1.1\r\nhost: x\r\nx-slow: ",
        b"POST /v1/open HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{",
        b"POST /v1/open HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab",
    ],
    ids=["nothing", "a word", "a header", "a body", "a chunk"],
)
def test_a_request_that_never_ends_is_cut_off(impatient: Server, key: str, start: bytes) -> None:
    with ExitStack() as stack:
        slow = [stack.enter_context(connect(impatient, start)) for _ in range(50)]
        assert_answers_others(impatient, key)
        for caller in slow:
            heard(caller)


def test_a_request_that_drips_is_cut_off(impatient: Server, key: str) -> None:
    with connect(impatient, b"POST /v1/open HTTP/1.1\r\nhost: x\r\nx-slow: ") as slow:
        pieces = iter(range(1000))  # the tenth part is enough
        with suppress(ConnectionError):
            for _ in pieces:
                slow.sendall(b"a")
                time.sleep(0.05)
    assert next(pieces, None) is not None
    assert_answers_others(impatient, key)


def test_an_answer_that_is_never_read_is_dropped(server: Server, key: str) -> None:
    many = b"GET /v1/openapi.json HTTP/1.1\r\nhost: x\r\n\r\n" * 60
    caller = socket.socket()
    caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    caller.settimeout(30)
    caller.connect(("127.0.0.1", server.port))
    before = resident(server)
    with caller:
        for _ in range(40):
            try:
                caller.sendall(many)
            except OSError:
                break
        assert resident(server) < before + 20
        assert_answers_others(server, key)


def test_a_head_has_a_bound(server: Server, key: str) -> None:
    before = resident(server)
    for part in (b"x-long: " + b"a" * 200_000, b"x: y\r\n" * 30_000, b"a" * 200_000):
        with connect(server, b"POST /v1/open HTTP/1.1\r\nhost: x\r\n") as caller:
            try:
                for _ in range(200):
                    caller.sendall(part)
            except OSError:
                continue
            assert heard(caller)[:12] in (b"HTTP/1.1 431", b"HTTP/1.1 400", b"")
    with connect(server, b"GET /" + b"a" * 3_000_000) as caller:
        heard(caller)
    assert resident(server) < before + 20
    assert_answers_others(server, key)


def head(size: int, end: bytes = b"connection: close\r\n\r\n") -> bytes:
    """A request's head of so many bytes."""
    start = b"GET /health HTTP/1.1\r\nhost: x\r\nx-long: "
    return start + b"a" * (size - len(start) - len(end) - 2) + b"\r\n" + end


@pytest.mark.parametrize("pieces", [1, 2, 7])
@pytest.mark.parametrize("before", [b"", b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n" * 3])
def test_a_head_may_have_32_kib_and_no_byte_more(server: Server, pieces: int, before: bytes) -> None:
    for size, status in ((32_768, b"200"), (32_769, b"431"), (200_000, b"431"), (32_768, b"200")):
        text = before + head(size)
        step = len(text) // pieces + 1
        with connect(server) as caller:
            caller.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with suppress(ConnectionError):
                for start in range(0, len(text), step):
                    caller.sendall(text[start : start + step])
                    time.sleep(0.01 if pieces > 1 else 0)
            answers = heard(caller)
            assert answers.count(b"HTTP/1.1 ") <= before.count(b"GET") + 1
            assert answers.split(b"HTTP/1.1 ")[-1][:3] == status, (size, answers)


def test_the_last_answer_of_a_connection_is_taken_for_what_it_is(server: Server) -> None:
    for text in (head(50_000), b"nonsense\r\n\r\n"):
        answer = heard(connect(server, text))
        assert b"x-content-type-options: nosniff\r\n" in answer
        assert b"cache-control: no-store\r\n" in answer


CHUNKED = b"POST /v1/open HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n"
BODY = b'b\r\n{"token":""\r\n1\r\n}\r\n0'


def test_what_follows_a_body_is_no_header(server: Server, key: str) -> None:
    trailer = f"authorization: Bearer {key}\r\nhost: y\r\nx: y\r\n".encode()
    last = b"GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    refused = heard(connect(server, CHUNKED + b"\r\n" + BODY + b"\r\n" + trailer + b"\r\n" + last))
    assert refused.startswith(b"HTTP/1.1 401 ")
    assert b"api-key-required" in refused
    assert refused.endswith(b'{"status":"alive"}')

    with_key = CHUNKED + f"authorization: Bearer {key}\r\n\r\n".encode()
    taken = heard(connect(server, with_key + BODY + b"\r\ncontent-type: text/html\r\n\r\n" + last))
    assert taken.startswith(b"HTTP/1.1 200 ")
    assert taken.endswith(b'{"status":"alive"}')


@pytest.mark.parametrize("authorized", [True, False])
@pytest.mark.parametrize(
    "part",
    [b"x: y\r\n" * 20_000, b"a" * 200_000, b"x: " + b"y" * 200_000],
    ids=["many lines", "a long line", "a long value"],
)
@pytest.mark.parametrize("after", [BODY + b"\r\n", BODY + b";", b"5;"], ids=["trailer", "last chunk", "chunk"])
def test_what_follows_a_body_or_a_chunks_length_has_a_bound(
    server: Server, key: str, after: bytes, part: bytes, authorized: bool
) -> None:
    before, sent = resident(server), 0
    start = CHUNKED + (f"authorization: Bearer {key}\r\n" if authorized else "").encode() + b"\r\n" + after
    with ExitStack() as stack:
        for caller in [stack.enter_context(connect(server, start)) for _ in range(2)]:
            with suppress(OSError):
                for _ in range(200):
                    caller.sendall(part)
                    sent += len(part)
    assert sent < 200 * len(part)
    assert resident(server) < before + 20
    assert_answers_others(server, key)


def test_requests_that_come_faster_than_answers_have_a_bound(server: Server, key: str) -> None:
    answer = heard(connect(server, b"GET /ready HTTP/1.1\r\nhost: x\r\n\r\n" * 5_000))

    assert b"HTTP/1.1 400 Bad Request" in answer
    assert_answers_others(server, key)


def test_a_huge_body_is_not_read(server: Server, key: str) -> None:
    before = resident(server)
    for authorization in (key, "nothing"):
        head = f"POST /v1/commit HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {authorization}\r\n"
        with connect(
            server, f"{head}content-type: application/json\r\ncontent-length: {10**10}\r\n\r\n".encode()
        ) as caller:
            try:
                for _ in range(300):
                    caller.sendall(b"[" * 100_000)
            except OSError:
                continue
    assert resident(server) < before + 20
    assert_answers_others(server, key)


@pytest.mark.parametrize(
    "text",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /health HTTP/9.9\r\n\r\n",
        b"\x00" * 1000,
        b"POST /v1/open HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
        b"POST /v1/open HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        b"POST /v1/open HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /v1/open HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET http://[::1 HTTP/1.1\r\nhost: x\r\n\r\n",
    ],
)
def test_what_is_no_http_is_refused(server: Server, key: str, text: bytes) -> None:
    answer = heard(connect(server, text))

    assert answer[:10] in (b"HTTP/1.1 4", b"")
    assert b"Traceback" not in answer
    assert_answers_others(server, key)


def test_an_upgrade_is_passed_over(server: Server, key: str) -> None:
    with connect(
        server, b"GET /v1/x HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"
    ) as caller:
        assert caller.recv(1000).startswith(b"HTTP/1.1 404 Not Found")
    assert_answers_others(server, key)


def test_ten_thousand_idle_connections_are_borne(server: Server, key: str) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    count = min(10_000, hard - 500)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        before = resident(server)
        with ExitStack() as stack:
            idle = [
                stack.enter_context(connect(server, b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n")) for _ in range(count)
            ]
            assert_answers_others(server, key)
            assert resident(server) < before + 0.015 * count
            assert idle[0].recv(1000).startswith(b"HTTP/1.1 200")
        wait_until(lambda: resident(server) < before + 0.015 * count, "memory given back")
        assert_answers_others(server, key)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_nothing_of_this_is_a_bug(server: Server, impatient: Server) -> None:
    """After all of the above: no traceback in the log, and the processes are the same."""
    for each in (server, impatient):
        assert "Traceback" not in each.output()
        assert each.process.poll() is None
