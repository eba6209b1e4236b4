"""Requests at once, from several back ends: nothing is lost, and a log-out is final."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.server import Server
from tests.service.backend import Answer, Backend

WRITERS = 50


def at_once(service: Server, key: str, bodies: list[dict[str, object]]) -> list[Answer]:
    """Commit each of `bodies` over a connection of its own, all at once."""

    def commit(body: dict[str, object]) -> Answer:
        with Backend(service.port, key) as backend:
            return backend.request("POST", "/v1/commit", body)

    with ThreadPoolExecutor(len(bodies)) as pool:
        return [*pool.map(commit, bodies)]


def test_parallel_writes_are_all_kept(service: Server, backend: Backend, key: str) -> None:
    token = backend.log_in("ada", log=[])
    opened_at = backend.open(token)["now"]
    bodies: list[dict[str, object]] = [
        {
            "token": token,
            "status": "active",
            "opened_at": opened_at,
            "changes": {f"key{number}": {"value": number}, "log": {"base": [], "value": [number]}},
            "increments": {"count": 1},
        }
        for number in range(WRITERS)
    ]

    answers = at_once(service, key, bodies)
    data = backend.open(token)["session"]["data"]

    assert {answer.status for answer in answers} == {200}
    assert {name: data[name] for name in data if name.startswith("key")} == {f"key{n}": n for n in range(WRITERS)}
    assert data["count"] == WRITERS
    assert sorted(data["log"]) == list(range(WRITERS))
    # All but the first met another's change of the log.
    assert sum(answer.json["merged"] == ["log"] for answer in answers) == WRITERS - 1


@pytest.mark.parametrize("attempt", range(5))
def test_no_write_outlives_a_logout(service: Server, backend: Backend, key: str, attempt: int) -> None:
    """Nor is it in a new session, whose cookie would take the place of the next log-in's."""
    token = backend.log_in(f"ada {attempt}")
    opened_at = backend.open(token)["now"]
    write = {"token": token, "status": "active", "opened_at": opened_at, "changes": {"a": {"value": 1}}}
    logout = {"token": token, "status": "active", "opened_at": opened_at, "action": {"type": "logout"}}

    answers = at_once(service, key, [write] * 20 + [logout] + [write] * 20)

    assert answers[20].json["end_reason"] == "logout"
    for answer in answers[:20] + answers[21:]:
        assert answer.status == 200 or (answer.code, answer.json["end_reason"]) == ("session-ended", "logout")
        assert answer.status != 200 or answer.json["token"] is answer.json["set_cookie"] is None
    assert backend.open(token)["end_reason"] == "logout"


def test_a_double_login_loses_nothing(service: Server, backend: Backend, key: str) -> None:
    token = backend.commit(changes={"cart": {"value": ["tea"]}})["token"]
    opened_at = backend.open(token)["now"]
    login = {
        "token": token,
        "status": "active",
        "opened_at": opened_at,
        "action": {"type": "login", "user_id": "ada"},
        "changes": {"cart": {"base": ["tea"], "value": ["tea"]}},
    }

    answers = at_once(service, key, [login] * 4)

    tokens = {answer.json["token"] for answer in answers}
    assert len(tokens) == 4
    for token in tokens:
        assert backend.open(token)["session"]["data"] == {"cart": ["tea"]}
