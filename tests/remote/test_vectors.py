"""The vectors that every adapter keeps to, where they concern a remote manager."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sojourn import Session, SessionManager
from sojourn.core.commit import NO_REPLY, Reply
from sojourn.core.errors import ConfigurationError, DataTooLarge, SessionEnded, SojournError
from sojourn.core.problem import problem_of
from sojourn.remote import RemoteSessionManager
from sojourn.remote.address import Address
from sojourn.remote.service_call import ServiceAnswer, ServiceCall, read
from sojourn.stores.memory import MemoryStore
from sojourn.wire.answers import Opened

from .service import KINDS, Service, begin, manager_of

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


SAME = {
    *("session-ended", "reauthentication-required", "session-conflict", "session-limit", "data-too-large"),
    *("session-refused", "store-unavailable"),
}


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


@pytest.fixture(params=[*KINDS, "library"])
def any_manager(request: pytest.FixtureRequest, service: Service) -> Iterator[SessionManager]:
    """Over the service, or over a store: nobody should be able to tell."""
    if request.param == "library":
        yield SessionManager(MemoryStore())
    else:
        with manager_of(request.param, service.url, service.key) as manager:
            yield manager


@pytest.mark.parametrize("case", cases("ends.json", "cases"), ids=lambda case: case["why"])
def test_what_comes_after_an_end_goes_where_it_should(any_manager: SessionManager, case: dict[str, Any]) -> None:
    manager = any_manager
    token = begin(manager, "ada", kept=1)
    if case["before"] == "ended":
        do(manager, manager.open(token), "logout")
    shown = token[:-64] + "0" * 64 if case["before"] == "none" else token
    session = manager.open(shown)
    assert session.status == case["before"]
    if case["meanwhile"]:
        do(manager, manager.open(token), case["meanwhile"])

    reply = NO_REPLY
    if case["result"] == "refused":
        with pytest.raises(SessionEnded) as refused:
            do(manager, session, case["does"])
        assert refused.value.reason == case["end_reason"]
    else:
        reply = do(manager, session, case["does"])

    assert ("new" if reply.token else "cleared" if reply.clear else "nothing") == case["cookie"]
    has = reply.token.reveal() if reply.token else "" if reply.clear else shown
    found = manager.open(has)
    opened = {"user_id": found.user_id, "data": dict(found)} if found.status == "active" else None
    assert opened == case["session"]


def do(manager: SessionManager, session: Session, what: str) -> Reply:
    match what:
        case "change":
            session["a"] = 1
        case "increment":
            session.increment("a")
        case "regenerate":
            session.regenerate()
        case "login":
            session.login("ada")
        case "logout":
            session.logout()
    return manager.commit(session)


def put(session: Any, case: dict[str, Any], side: str) -> None:
    if side in case:
        session["key"] = case[side]
    else:
        session.pop("key", None)
