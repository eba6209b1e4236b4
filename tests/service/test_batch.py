"""POST /v1/batch: calls that go together, each for itself."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from sojourn.wire.batches import MAX_BATCH_BYTES, MAX_CALLS
from tests.server import Server
from tests.servers.postgres import PostgresServer
from tests.service.backend import COMMAND, Answer, Backend, start

LINES = {"content-type": "application/x-ndjson"}
FOREIGN = f"sj1-{'0' * 32}-{'f' * 64}"


def opening(token: str) -> dict[str, Any]:
    return {"open": {"token": token}}


def changing(token: str, **data: Any) -> dict[str, Any]:
    changes = {key: {"value": value} for key, value in data.items()}
    return {"commit": {"token": token, "status": "active", "changes": changes}}


def adding(token: str) -> dict[str, Any]:
    return {"commit": {"token": token, "status": "active", "increments": {"n": 1}}}


def spelled(calls: Sequence[Any]) -> bytes:
    return b"".join(call if isinstance(call, bytes) else json.dumps(call).encode() + b"\n" for call in calls)


def send(backend: Backend, *calls: Any) -> Answer:
    return backend.request("POST", "/v1/batch", spelled(calls), LINES)


def batch(backend: Backend, *calls: Any) -> list[tuple[int, Any]]:
    """Status and answer of each call, in their order."""
    answer = send(backend, *calls)
    assert answer.status == 200, answer.body
    assert answer.headers["content-type"] == LINES["content-type"]
    told = [json.loads(line) for line in answer.body.splitlines()]
    assert sorted(line["call"] for line in told) == [*range(len(calls))]
    return [(line["status"], line["answer"]) for line in sorted(told, key=lambda line: line["call"])]


def code(answer: Any) -> str:
    kind: str = answer["type"]
    return kind.removeprefix("urn:sojourn:problem:")


@contextmanager
def streamed(server: Server, key: str, calls: Sequence[Any]) -> Iterator[Iterator[Any]]:
    """The lines of a batch's answer, one by one as they come."""
    connection = http.client.HTTPConnection("localhost", server.port, timeout=20)
    try:
        head = {"authorization": f"Bearer {key}", **LINES}
        connection.request("POST", "/v1/batch", spelled(calls), head)
        response = connection.getresponse()
        assert response.status == 200
        yield (json.loads(line) for line in iter(response.readline, b""))
    finally:
        connection.close()


# What is answered


def test_each_call_is_answered_as_it_would_be_alone(backend: Backend) -> None:
    token = backend.log_in("ada", cart=["tea"])
    alone = backend.open(token)

    opened, unknown, committed = batch(backend, opening(token), opening(FOREIGN), adding(token))

    assert (opened[0], unknown[0], committed[0]) == (200, 200, 200)
    assert opened[1] == alone | {"now": opened[1]["now"]}
    assert unknown[1]["status"] == "none"
    assert committed[1].keys() == backend.commit(token, increments={"n": 1}).keys()
    assert committed[1]["session"]["data"] == {"cart": ["tea"], "n": 1}


def test_every_answer_says_how_many_calls_a_batch_may_hold(backend: Backend) -> None:
    for path, body in (("/v1/open", {"token": FOREIGN}), ("/v1/commit", {"token": None})):
        assert backend.request("POST", path, body).headers["sojourn-batches"] == str(MAX_CALLS)


def test_one_that_is_refused_says_nothing_of_its_neighbours(backend: Backend) -> None:
    ada, bob, over = (backend.log_in(name) for name in ("ada", "bob", "over"))
    backend.commit(over, action={"type": "logout"})
    deep = b'{"commit":{"token":null,"changes":{"n":{"value":' + b"[" * 40_000 + b"]" * 40_000 + b"}}}}\n"
    wrong: list[tuple[Any, int, str]] = [
        (changing(over, n=1), 401, "session-ended"),
        (changing(bob, n="x" * 40_000), 413, "data-too-large"),
        (changing(bob, n=2**70), 422, "invalid-data"),
        (changing(bob, n="x" * 300_000), 413, "body-too-large"),
        (b"{no json\n", 400, "invalid-body"),
        (b'{"open":{"token":"\xff"}}\n', 400, "invalid-body"),
        (b"\n", 400, "invalid-body"),
        (deep, 400, "invalid-body"),
        ({}, 400, "invalid-body"),
        ({"open": {"token": bob}, "commit": {"token": None}}, 400, "invalid-body"),
        ({"open": {"tokne": bob}}, 400, "invalid-body"),
        ({"close": {"token": bob}}, 400, "invalid-body"),
        ({"commit": {"token": bob}}, 400, "invalid-body"),
    ]
    calls = [adding(ada)]
    for call, _, _ in wrong:
        calls += [call, adding(ada)]

    answers = batch(backend, *calls)

    assert [(status, code(answer)) for status, answer in answers[1::2]] == [each[1:] for each in wrong]
    assert [answer["session"]["data"]["n"] for _, answer in answers[::2]] == [*range(1, len(wrong) + 2)]
    assert answers[1][1]["end_reason"] == "logout"
    assert backend.open(bob)["session"]["data"] == {}


def test_a_session_that_ends_in_a_batch_is_over_for_what_comes_behind_and_for_nobody_else(backend: Backend) -> None:
    ada, bob = backend.log_in("ada"), backend.log_in("bob")
    leave = {"commit": {"token": ada, "status": "active", "action": {"type": "logout"}}}

    answers = batch(backend, adding(ada), adding(bob), leave, adding(ada), adding(bob))

    assert [status for status, _ in answers] == [200, 200, 200, 401, 200]
    assert answers[2][1]["clear"] is True
    assert backend.open(ada)["end_reason"] == "logout"
    assert backend.open(bob)["session"]["data"] == {"n": 2}


def test_a_hundred_changes_of_one_session_are_made_in_the_order_in_which_they_were_sent(backend: Backend) -> None:
    token, other = backend.log_in("ada", last=None), backend.log_in("bob")
    calls = [changing(token if n % 5 else other, last=n) for n in range(100)]

    answers = batch(backend, *calls)

    assert [answer["session"]["data"]["last"] for _, answer in answers] == [*range(100)]
    versions = [answer["session"]["version"] for n, (_, answer) in enumerate(answers) if n % 5]
    assert versions == [*range(2, 82)]
    assert backend.open(token)["session"]["data"] == {"last": 99}


# What is refused as a whole


def test_a_batch_beyond_the_bound_is_refused_and_nothing_of_it_is_done(backend: Backend) -> None:
    token = backend.log_in("ada")

    refused = send(backend, *[adding(token)] * (MAX_CALLS + 1))

    assert (refused.status, refused.code, refused.json["limit"]) == (413, "batch-too-large", MAX_CALLS)
    assert backend.open(token)["session"]["data"] == {}
    answers = batch(backend, *[adding(token)] * MAX_CALLS)
    assert [status for status, _ in answers] == [200] * MAX_CALLS


def test_a_batch_with_too_many_bytes_is_refused_and_nothing_of_it_is_done(backend: Backend) -> None:
    token = backend.log_in("ada")
    filling = b" " * (MAX_BATCH_BYTES - len(spelled([adding(token)])))

    refused = send(backend, adding(token), filling + b" ")

    assert (refused.status, refused.code, refused.json["limit"]) == (413, "body-too-large", MAX_BATCH_BYTES)
    assert backend.open(token)["session"]["data"] == {}
    assert [status for status, _ in batch(backend, adding(token), filling)] == [200, 413]


def test_an_empty_batch_is_none(backend: Backend) -> None:
    assert send(backend).code == "invalid-body"
    assert send(backend, b"\n").code == "invalid-body"


def test_a_batch_is_of_its_own_type(backend: Backend) -> None:
    refused = backend.request("POST", "/v1/batch", spelled([opening(FOREIGN)]))

    assert (refused.status, refused.code) == (415, "unsupported-media-type")


@pytest.mark.parametrize(
    ("whose", "status", "refusal"),
    [("nobody", 401, "api-key-required"), ("unknown", 401, "api-key-refused"), ("admin", 403, "api-key-scope")],
)
def test_without_a_key_for_sessions_nothing_of_a_batch_is_done(
    service: Server, backend: Backend, keys_by_scope: dict[str, str], whose: str, status: int, refusal: str
) -> None:
    token = backend.log_in("ada")
    given = {"nobody": "x", "unknown": f"sjk1-{'0' * 8}-{'0' * 64}", "admin": keys_by_scope["admin"]}
    with Backend(service.port, given[whose]) as stranger:
        refused = send(stranger, adding(token), opening(token))

    assert (refused.status, refused.code) == (status, refusal)
    assert backend.open(token)["session"]["data"] == {}


def test_no_answer_and_no_log_tells_a_token_of_a_batch(service: Server, backend: Backend) -> None:
    token = backend.log_in("ada")

    answers = batch(backend, {"open": {"token": token, token: 1}}, {"commit": {"token": token, "status": token}})

    assert [status for status, _ in answers] == [400, 400]
    assert token not in json.dumps(answers)
    assert token not in service.output()


# When it is answered


def test_http_1_0_gets_its_answer_whole(service: Server, key: str, backend: Backend) -> None:
    body = spelled([opening(FOREIGN), opening(FOREIGN)])
    connection = http.client.HTTPConnection("localhost", service.port, timeout=20)
    connection._http_vsn, connection._http_vsn_str = 10, "HTTP/1.0"  # type: ignore[attr-defined]
    connection.request("POST", "/v1/batch", body, {"authorization": f"Bearer {key}", **LINES})
    response = connection.getresponse()

    assert response.headers["transfer-encoding"] is None
    assert int(response.headers["content-length"]) == len(response.read())
    connection.close()


@pytest.fixture
def database(postgres: PostgresServer) -> str:
    return postgres.new_database()


@pytest.fixture
def on_postgres(tmp_path: Path, database: str, keys: Path, key: str) -> Iterator[Server]:
    """A service whose store can be made to hang at one session: PostgreSQL locks rows."""
    subprocess.run([*COMMAND, "migrate", "--store", database], check=True, capture_output=True)
    with start(tmp_path, "--store", database, "--keys", str(keys)) as server:
        yield server


@contextmanager
def row_locked(database: str, token: str) -> Iterator[None]:
    with psycopg.connect(database) as connection:
        locked = connection.execute("SELECT 1 FROM sojourn_session WHERE id = %s FOR UPDATE", (token[4:36],))
        assert locked.rowcount == 1
        yield


def test_a_store_call_that_hangs_holds_none_of_its_99_neighbours(on_postgres: Server, database: str, key: str) -> None:
    with Backend(on_postgres.port, key) as backend:
        tokens = [backend.log_in(f"user {n}") for n in range(100)]
        with row_locked(database, tokens[0]), streamed(on_postgres, key, [adding(each) for each in tokens]) as lines:
            first = [next(lines) for _ in range(99)]

            # Its row is still locked, or it would be among them.
            assert {line["call"] for line in first} == {*range(1, 100)}
            assert {line["status"] for line in first} == {200}
            held = next(lines)
        assert (held["call"], held["status"], code(held["answer"])) == (0, 503, "store-unavailable")


def test_a_service_that_is_shut_down_amid_a_batch_answers_each_call(
    on_postgres: Server, database: str, key: str
) -> None:
    with Backend(on_postgres.port, key) as backend:
        tokens = [backend.log_in(f"user {n}") for n in range(10)]
    with row_locked(database, tokens[0]), streamed(on_postgres, key, [adding(each) for each in tokens]) as lines:
        first = next(lines)
        os.kill(on_postgres.process.pid, signal.SIGTERM)
        rest = [*lines]

    told = {line["call"]: line["status"] for line in [first, *rest]}
    assert told == {0: 503, **dict.fromkeys(range(1, 10), 200)}
    assert on_postgres.process.wait(20) is not None
