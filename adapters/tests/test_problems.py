"""What a refusal holds is told in members of its own, as it is. Each language is put to each sentence."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from adapters.tests.relay import Relay
from adapters.tests.session_service import SessionService
from adapters.tests.sites import Site
from adapters.tests.visitor import Answer, Visitor
from tests.service.backend import Backend

POLICY = {"on_conflict": "raise", "max_sessions": 1, "on_limit": "refuse", "max_bytes": 2000}
KEYS = ["it's", "a, b", "plain", 'say "hi"', "\\", "ключ 🦊", "<b>&amp;</b>", "200 of 100", "line\nbreak"]
OF_EVERY = {"type", "title", "status", "detail"}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SessionService]:
    with SessionService(tmp_path_factory.mktemp("service"), POLICY, limited=True) as service:
        yield service


def held(answer: Answer) -> dict[str, Any]:
    """What a problem has besides the members of every one."""
    return {name: value for name, value in answer.problem.items() if name not in OF_EVERY}


def test_a_conflict_tells_its_keys(visitor: Visitor, relay: Relay, backend: Backend) -> None:
    token = backend.commit(changes={key: {"value": 0} for key in [*KEYS, "other"]})["token"]
    theirs = {key: {"base": 0, "value": "theirs"} for key in KEYS}
    relay.before_commit = lambda: backend.commit(token, changes=theirs)
    visitor.token = token
    answer = visitor.do(*(["set", key, "mine"] for key in [*KEYS, "other"]))

    assert (answer.status, answer.code) == (409, "session-conflict")
    assert held(answer).keys() == {"keys"}
    assert sorted(held(answer)["keys"]) == sorted(KEYS)
    assert backend.open(token)["session"]["data"] == {**dict.fromkeys(KEYS, "theirs"), "other": 0}


def test_too_much_data_tells_how_much_it_is_and_how_much_it_may_be(visitor: Visitor) -> None:
    answer = visitor.do(["set", "large", "x" * 3000])

    assert (answer.status, answer.code) == (413, "data-too-large")
    assert held(answer) == {"size": len('{"large":""}') + 3000, "limit": 2000}


def test_too_large_a_body_tells_its_limit(visitor: Visitor) -> None:
    answer = visitor.do(["set", "large", "x" * 90_000])

    assert answer.status == 413
    assert held(answer)["limit"] == 4 * 2000 + 64 * 1024


def test_one_session_too_many_tells_how_many_there_may_be(visitor: Visitor, site: Site) -> None:
    assert site.visitor().do(["login", f"ada of {site.kind}"]).status == 200
    answer = visitor.do(["login", f"ada of {site.kind}"])

    assert (answer.status, answer.code) == (409, "session-limit")
    assert held(answer) == {"limit": 1}


@pytest.mark.parametrize("how", ["login", "set"])
def test_a_session_that_the_service_s_own_limit_refuses_tells_when_to_try_again(
    visitor: Visitor, site: Site, how: str
) -> None:
    step = [how, f"one more of {site.kind}", *([1] if how == "set" else [])]
    answer = visitor.do(step, headers={"user-agent": "Flood/1.0"})

    assert (answer.status, answer.code) == (429, "session-refused")
    assert held(answer) == {"retry_after": 7}
    assert answer.headers["retry-after"] == "7"
    assert answer.cookies == []
    assert visitor.do(step).status == 200


def test_a_session_that_ended_tells_why(visitor: Visitor, relay: Relay, backend: Backend) -> None:
    token = backend.log_in("bob", a=1)
    relay.before_commit = lambda: backend.commit(token, action={"type": "logout"})
    visitor.token = token
    answer = visitor.do(["set", "a", 2])

    assert (answer.status, answer.code) == (401, "session-ended")
    assert held(answer) == {"end_reason": "logout"}


# A log-in that is written before what fails.
LOGS_IN: dict[str, list[list[Any]]] = {
    "express": [["login", "ada"]],
    "php": [["login", "ada"], ["session_write_close"], ["start"]],
    "aspnetcore": [["login", "ada"], ["commit"]],
}


def test_a_problem_in_the_page_s_place_brings_the_token_of_a_log_in_that_was_committed_before(
    visitor: Visitor, site: Site
) -> None:
    if site.kind not in LOGS_IN:
        return
    visitor.do(["set", "a", 1])
    anonymous, user = visitor.token, f"the log-in of {site.kind}"
    steps = [[step[0], user] if step[0] == "login" else step for step in LOGS_IN[site.kind]]
    answer = visitor.do(*steps, ["set", "large", "x" * 3000])

    assert (answer.status, answer.code) == (413, "data-too-large")
    assert len(answer.cookies) == 1
    assert visitor.token != anonymous
    assert visitor.facts()["user_id"] == user
