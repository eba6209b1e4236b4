"""The vectors that every adapter keeps to, where they concern a remote manager."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sojourn.core.errors import ConfigurationError, DataTooLarge, SessionEnded, SojournError
from sojourn.core.problem import problem_of
from sojourn.remote import RemoteSessionManager
from sojourn.remote.address import Address
from sojourn.remote.calls import ServiceAnswer, ServiceCall, read
from sojourn.wire.answers import Opened

from .service import Service, begin

VECTORS = Path(__file__).parents[1] / "vectors"
ADDRESS = Address.parse("http://localhost:8100", f"sjk1-{'0' * 8}-{'1' * 64}")


def cases(name: str, key: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((VECTORS / name).read_text("utf-8"))[key]
    assert found
    return found


def error_from(case: dict[str, Any], **said: str) -> SojournError:
    """What a remote manager raises where the service answers so."""
    answer = ServiceAnswer(case["status"], msgspec.json.encode(case["body"] | said))
    with pytest.raises(SojournError) as raised:
        read(Opened, answer, ServiceCall("POST", "/v1/open", b"{}"), ADDRESS)
    return raised.value


@pytest.mark.parametrize("case", cases("problems.json", "problems"), ids=lambda case: case["why"])
def test_each_problem_is_the_error_that_it_was(case: dict[str, Any]) -> None:
    error = error_from(case)
    problem = problem_of(error)

    if case["code"] in SAME:
        assert problem is not None
        assert msgspec.json.decode(problem.body()) == case["body"]
    elif case["code"] == "body-too-large":
        assert isinstance(error, DataTooLarge)
        assert (error.size, error.limit) == (2, case["body"]["limit"])
    elif case["status"] in (401, 403):
        assert isinstance(error, ConfigurationError)
    if isinstance(error, SessionEnded):
        assert error.reason == case["body"].get("end_reason")


@pytest.mark.parametrize("case", cases("problems.json", "problems"), ids=lambda case: case["why"])
def test_no_word_of_a_problem_is_taken_for_what_it_holds(case: dict[str, Any]) -> None:
    one, other = error_from(case), error_from(case, title="", detail="'x', 'y': 123,456 bytes of 789")

    assert type(one) is type(other)
    assert vars(one) == vars(other)


SAME = {"session-ended", "session-conflict", "session-limit", "data-too-large", "store-unavailable"}


@pytest.mark.parametrize("case", cases("tokens.json", "invalid"), ids=lambda case: case["why"])
def test_what_is_no_token_is_not_sent(manager: RemoteSessionManager, service: Service, case: dict[str, Any]) -> None:
    before = len(service.asked())
    session = manager.open(case["text"])

    assert (session.status, session._presented) == ("none", True)
    assert len(service.asked()) == before


@pytest.mark.parametrize("case", cases("merges.json", "cases"), ids=lambda case: case["why"])
def test_each_merge_comes_out_as_it_should(manager: RemoteSessionManager, case: dict[str, Any]) -> None:
    token = begin(manager)
    first = manager.open(token)
    put(first, case, "base")
    manager.commit(first)
    mine, theirs = manager.open(token), manager.open(token)
    put(theirs, case, "theirs")
    manager.commit(theirs)
    put(mine, case, "mine")
    manager.commit(mine)
    expected = {"key": case["merged"]} if "merged" in case else {}

    assert json.dumps(dict(manager.open(token)), sort_keys=True) == json.dumps(expected, sort_keys=True)


def put(session: Any, case: dict[str, Any], side: str) -> None:
    if side in case:
        session["key"] = case[side]
    else:
        session.pop("key", None)
