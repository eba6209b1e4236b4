"""What needs no wait is answered at once, past uvicorn's own way: nobody can tell but by the clock."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.server import Server, run_server
from tests.servers.redis import RedisServer
from tests.servers.waiting import wait_until
from tests.service.backend import Backend

# What is answered at once is told.
OURS = """
import sojourn.service.bounded_protocol as protocol, sojourn.service.server as server, sojourn.cli
answer = protocol.BoundedProtocol._answer
protocol.BoundedProtocol._answer = lambda self, text: (print("at once"), answer(self, text))
"""
TOLD = f"{OURS}sojourn.cli.main()"
# Connections that nobody uses are looked at, and closed, in a test's time: too soon for what is to be answered.
IMPATIENT = f"{OURS}protocol.REQUEST_WITHIN, server.KEEP_ALIVE = 0.5, 1\nsojourn.cli.main()"
LAST = b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@pytest.fixture(scope="module")
def words(redis_server: RedisServer, keys: Path, key: str) -> list[str]:
    """Of a service with a cache in front of Redis."""
    redis_server.clear()
    return ["serve", "--store", f"{redis_server.url}?cache=8MiB", "--keys", str(keys), "--port", "{port}"]


@pytest.fixture(scope="module")
def cached(tmp_path_factory: pytest.TempPathFactory, words: list[str]) -> Iterator[Server]:
    log = tmp_path_factory.mktemp("prompt") / "service.log"
    with run_server([sys.executable, "-c", TOLD, *words], log, path="/health") as server:
        yield server


@pytest.fixture
def back(cached: Server, key: str) -> Iterator[Backend]:
    with Backend(cached.port, key) as backend:
        yield backend


@pytest.fixture
def token(back: Backend, redis_server: RedisServer) -> str:
    """Of a session that the cache has."""
    token = back.log_in("ada", cart=["tea"])
    wait_until(lambda: _reads_of(back, redis_server, token) == 0, "the cache")
    return token


def _reads_of(back: Backend, redis_server: RedisServer, token: str) -> int:
    redis_server.ask("CONFIG", "RESETSTAT")
    assert back.open(token)["status"] == "active"
    commands = redis_server.info("commandstats")
    return int(commands.get("cmdstat_get", "calls=0,").partition("calls=")[2].partition(",")[0])


def ask(token: str, key: str, padding: int = 0) -> bytes:
    """An open, as a back end sends it. One with much padding goes the usual way."""
    return post("open", json.dumps({"token": token}) + " " * padding, key)


def post(name: str, body: str, key: str) -> bytes:
    kind = "application/x-ndjson" if name == "batch" else "application/json"
    head = f"POST /v1/{name} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Type: {kind}"
    return f"{head}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


def answers(server: Server, *pieces: bytes) -> list[tuple[int, dict[str, str], bytes]]:
    """Status, headers and body of each answer to what is sent in pieces."""
    found, text = [], b""
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as caller:
        caller.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in (*pieces, LAST):
            caller.sendall(piece)
        while part := caller.recv(65536):
            text += part
    while text:
        head, _, text = text.partition(b"\r\n\r\n")
        status, *lines = head.decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        length = int(headers["content-length"])
        found.append((int(status.split()[1]), headers, text[:length]))
        text = text[length:]
    assert found.pop()[2] == b'{"status":"alive"}'
    return found


def test_it_is_the_answer_that_the_usual_way_gives(cached: Server, key: str, token: str) -> None:
    before = cached.output().count("at once")

    prompt, usual = answers(cached, ask(token, key), ask(token, key, padding=100_000))

    assert cached.output().count("at once") == before + 1
    assert prompt[1] == usual[1]
    told, same = json.loads(prompt[2]), json.loads(usual[2])
    assert told.pop("now") <= same.pop("now")
    assert told == same
    assert told["session"]["user_id"] == "ada"
    assert told["session"]["data"] == {"cart": ["tea"]}


def test_requests_in_one_piece_are_answered_in_their_order(cached: Server, key: str, token: str) -> None:
    foreign = f"sj1-{'0' * 32}-{'f' * 64}"
    whole = b"".join([ask(token, key), ask(foreign, key), ask(token, key), b"GET /ready HTTP/1.1\r\nHost: x\r\n\r\n"])

    found = answers(cached, whole + ask(token, key))

    told = [json.loads(body)["status"] for _, _, body in found]
    assert told == ["active", "none", "active", "ready", "active"]


def test_a_request_in_many_pieces_is_answered(cached: Server, key: str, token: str) -> None:
    whole = ask(token, key)

    found = answers(cached, *[whole[at : at + 7] for at in range(0, len(whole), 7)])

    assert [status for status, _, _ in found] == [200]


def test_a_body_in_chunks_is_taken(cached: Server, key: str, token: str) -> None:
    head, _, body = ask(token, key).partition(b"\r\n\r\n")
    kept = b"\r\n".join(line for line in head.split(b"\r\n") if not line.startswith(b"Content-Length"))
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:20], body[20:]))

    found = answers(cached, kept + b"\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n")

    assert [json.loads(body)["status"] for _, _, body in found] == ["active"]


def test_a_key_that_follows_the_body_is_none(cached: Server, key: str, token: str) -> None:
    head, _, body = ask(token, key).partition(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if not line.startswith((b"Content-Length", b"Authorization"))]
    text = b"\r\n".join([*lines, b"Transfer-Encoding: chunked"]) + b"\r\n\r\n%x\r\n%b\r\n0\r\n" % (len(body), body)

    found = answers(cached, text + f"Authorization: Bearer {key}\r\n\r\n".encode())

    assert [status for status, _, _ in found] == [401]


@pytest.mark.parametrize(
    ("instead", "by", "status"),
    [
        ("Bearer sjk1-", "Bearer sjk1-0", 401),
        ("application/json", "text/plain", 415),
        ('"token"', '"taken"', 400),
        ("POST /v1/open", "PUT /v1/open?", 405),
    ],
)
def test_what_is_wrong_is_refused_as_ever(
    cached: Server, key: str, token: str, instead: str, by: str, status: int
) -> None:
    wrong = ask(token, key).replace(instead.encode(), by.encode())

    found = answers(cached, ask(token, key) + wrong + ask(token, key))

    assert [each[0] for each in found] == [200, status, 200]


def test_a_session_that_is_revoked_is_over_at_once(
    back: Backend, cached: Server, token: str, redis_server: RedisServer
) -> None:
    assert _reads_of(back, redis_server, token) == 0

    back.commit(token, action={"type": "logout"})

    assert back.open(token)["end_reason"] == "logout"


def test_a_wrong_secret_opens_nothing(back: Backend, token: str) -> None:
    assert back.open(token[:37] + ("0" if token[37] != "0" else "1") + token[38:])["status"] == "none"


def test_the_public_id_alone_changes_nothing(back: Backend, token: str) -> None:
    before = back.open(token)
    for _ in range(2_000):
        assert back.open(f"{token[:37]}{os.urandom(32).hex()}")["status"] == "none"
    after = back.open(token)

    assert (after["status"], after["session"]) == (before["status"], before["session"])


def test_a_connection_that_falls_idle_after_it_is_closed(
    words: list[str], key: str, token: str, tmp_path: Path
) -> None:
    with run_server([sys.executable, "-c", IMPATIENT, *words], tmp_path / "service.log", path="/health") as server:

        @contextmanager
        def asked() -> Iterator[socket.socket]:
            with socket.create_connection(("127.0.0.1", server.port), timeout=30) as caller:
                caller.sendall(ask(token, key))
                assert caller.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")
                yield caller

        def is_cached() -> bool:
            with asked():
                return "at once" in server.output()

        wait_until(is_cached, "the cache")
        with asked() as caller:
            assert caller.recv(65536) == b""


# A store that never waits: everything is answered at once


@pytest.fixture(scope="module")
def in_memory(tmp_path_factory: pytest.TempPathFactory, keys: Path, key: str) -> Iterator[Server]:
    log = tmp_path_factory.mktemp("memory") / "service.log"
    words = ["serve", "--store", "memory:", "--keys", str(keys), "--port", "{port}"]
    with run_server([sys.executable, "-c", TOLD, *words], log, path="/health") as server:
        yield server


@pytest.fixture
def fresh(in_memory: Server, key: str) -> Iterator[str]:
    """The token of a session that was just made there."""
    with Backend(in_memory.port, key) as backend:
        yield backend.log_in("ada", n=0)


def adding(token: str) -> str:
    return json.dumps({"token": token, "status": "active", "increments": {"n": 1}})


def in_a_batch(*calls: str) -> str:
    return "".join([f'{{"{"commit" if "status" in call else "open"}":{call}}}\n' for call in calls])


def test_opens_commits_and_batches_of_a_store_that_never_waits_are_answered_as_the_usual_way_does(
    in_memory: Server, key: str, fresh: str
) -> None:
    opening = json.dumps({"token": fresh})
    both = in_a_batch(opening, adding(fresh))
    padded = both.replace("{", " " * 100_000 + "{", 1)
    before = in_memory.output().count("at once")

    prompt = answers(
        in_memory, post("open", opening, key), post("commit", adding(fresh), key), post("batch", both, key)
    )
    assert in_memory.output().count("at once") == before + 3
    usual = answers(
        in_memory,
        ask(fresh, key, padding=100_000),
        post("commit", adding(fresh) + " " * 100_000, key),
        post("batch", padded, key),
    )

    assert in_memory.output().count("at once") == before + 3
    for mine, theirs in zip(prompt, usual, strict=True):
        assert mine[0] == theirs[0] == 200
        assert mine[1] | {"date": ""} == theirs[1] | {"date": ""}
    counts = [[json.loads(each[2])["session"]["data"]["n"] for each in found[:2]] for found in (prompt, usual)]
    assert counts == [[0, 1], [2, 3]]
    told = [[json.loads(line) for line in found[2][2].splitlines()] for found in (prompt, usual)]
    assert [[line["answer"]["session"]["data"]["n"] for line in lines] for lines in told] == [[1, 2], [3, 4]]
    assert [[(line["call"], line["status"]) for line in lines] for lines in told] == [[(0, 200), (1, 200)]] * 2


@pytest.mark.parametrize(
    ("wrong", "status", "code"),
    [
        ({"changes": {"n": {"base": 0, "value": "x" * 40_000}}}, 413, "data-too-large"),
        ({"increments": {"n": 2**53}}, 422, "invalid-data"),
        ({"status": "actvie"}, 400, "invalid-body"),
    ],
)
def test_a_commit_that_is_refused_is_refused_as_ever_and_says_nothing_of_its_neighbours(
    in_memory: Server, key: str, fresh: str, wrong: dict[str, object], status: int, code: str
) -> None:
    refused = json.dumps({"token": fresh, "status": "active", **wrong})

    alone = answers(in_memory, post("commit", adding(fresh), key) + post("commit", refused, key) + ask(fresh, key))
    together = answers(in_memory, post("batch", in_a_batch(adding(fresh), refused, adding(fresh)), key))

    assert [each[0] for each in alone] == [200, status, 200]
    problem = json.loads(alone[1][2])
    assert problem["type"].endswith(code)
    lines = sorted(map(json.loads, together[0][2].splitlines()), key=lambda line: line["call"])
    assert [line["status"] for line in lines] == [200, status, 200]
    assert lines[1]["answer"].keys() == problem.keys()
    assert lines[1]["answer"]["type"] == problem["type"]
    assert lines[2]["answer"]["session"]["data"] == {"n": 3}


def test_after_a_log_out_that_was_answered_at_once_the_session_is_over(in_memory: Server, key: str, fresh: str) -> None:
    leave = json.dumps({"token": fresh, "status": "active", "action": {"type": "logout"}})

    found = answers(in_memory, post("commit", leave, key) + post("commit", adding(fresh), key) + ask(fresh, key))

    assert [each[0] for each in found] == [200, 401, 200]
    assert json.loads(found[1][2])["end_reason"] == "logout"
    assert json.loads(found[2][2])["end_reason"] == "logout"


def test_a_store_that_waits_is_never_begun_without_a_task(cached: Server, key: str, token: str) -> None:
    before = cached.output().count("at once")

    found = answers(cached, post("commit", adding(token), key), post("batch", in_a_batch(adding(token)), key))

    assert [each[0] for each in found] == [200, 200]
    assert cached.output().count("at once") == before
