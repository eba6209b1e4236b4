"""Problem: an error as an HTTP answer."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sojourn.core import errors
from sojourn.core.errors import SojournError
from sojourn.core.problem import Problem, error_of, invalid_data, problem_of, problem_schema

TABLE: list[tuple[SojournError, int, str, dict[str, Any]]] = [
    (errors.SessionEnded("logout"), 401, "session-ended", {"end_reason": "logout"}),
    (errors.SessionEnded(None), 401, "session-ended", {}),
    (errors.LoginRequired(), 401, "login-required", {}),
    (errors.LoginRequired("revoked"), 401, "login-required", {"end_reason": "revoked"}),
    (errors.ReauthenticationRequired(60.5), 401, "reauthentication-required", {"max_age": 60.5}),
    (errors.ReauthenticationRequired(60, "aal2"), 401, "reauthentication-required", {"max_age": 60, "level": "aal2"}),
    (errors.ReauthenticationRequired(action="pay: 'a'"), 401, "reauthentication-required", {"action": "pay: 'a'"}),
    (errors.ProofRefused("proof-method"), 401, "proof-method", {}),
    (errors.ProofRefused("proof-stale-nonce", "1795862758-Qf7"), 401, "proof-stale-nonce", {"nonce": "1795862758-Qf7"}),
    (errors.SessionConflict(("it's", "a, b")), 409, "session-conflict", {"keys": ["it's", "a, b"]}),
    (errors.SessionConflict(()), 409, "session-conflict", {"keys": []}),
    (errors.SessionLimitReached(2), 409, "session-limit", {"limit": 2}),
    (errors.SessionRefused(30), 429, "session-refused", {"retry_after": 30}),
    (errors.DataTooLarge(2, 1), 413, "data-too-large", {"size": 2, "limit": 1}),
    (errors.StoreUnavailable("db.internal:5432 refused"), 503, "store-unavailable", {}),
]


def sent(error: SojournError) -> Problem:
    """The problem that the error is answered with."""
    problem = problem_of(error)
    assert problem is not None
    return problem


@pytest.mark.parametrize(("error", "status", "code", "held"), TABLE)
def test_what_a_request_met_is_told_in_the_words_of_rfc_9457(
    error: SojournError, status: int, code: str, held: dict[str, Any]
) -> None:
    problem = sent(error)
    body = msgspec.json.decode(problem.body())

    assert body.pop("type") == f"urn:sojourn:problem:{code}"
    assert body.pop("status") == problem.status == status
    assert body.pop("title")
    assert body.pop("detail")
    assert body == held
    assert ("content-type", "application/problem+json") in problem.headers()
    assert ("cache-control", "no-store") in problem.headers()
    assert ("x-content-type-options", "nosniff") in problem.headers()


@pytest.mark.parametrize(("error", "status", "code", "held"), TABLE)
def test_what_an_error_holds_arrives_whole_whatever_the_words_are(
    error: SojournError, status: int, code: str, held: dict[str, Any]
) -> None:
    body = msgspec.json.decode(sent(error).body())
    for words in ({}, {"title": "", "detail": ""}, {"detail": "'x', 'y': 9 of 8 bytes"}):
        problem = Problem.read(status, msgspec.json.encode(body | words))
        assert problem is not None
        again = error_of(problem)

        assert type(again) is type(error)
        assert vars(again) == vars(error)


def test_a_row_that_cannot_be_read_is_an_outage_and_its_id_stays_here() -> None:
    """It is the operator's to mend, who finds the id in the log."""
    problem = sent(errors.UnreadableRecord("0" * 32))

    assert (problem.status, problem.code) == (503, "store-unavailable")
    assert b"0000" not in problem.body()
    assert type(error_of(problem)) is errors.StoreUnavailable


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]))))
def test_keys_of_every_kind_arrive_as_they_are(keys: list[str]) -> None:
    problem = Problem.read(409, sent(errors.SessionConflict(tuple(keys))).body())
    assert problem is not None
    error = error_of(problem)

    assert isinstance(error, errors.SessionConflict)
    assert error.keys == tuple(keys)


def test_a_value_that_cannot_be_kept_arrives_with_the_words_that_say_which() -> None:
    problem = Problem.read(422, invalid_data(errors.InvalidData("session['a'] is nested too deep.")).body())
    assert problem is not None
    error = error_of(problem)

    assert isinstance(error, errors.InvalidData)
    assert str(error) == "session['a'] is nested too deep."


CONFLICT = {"type": "urn:sojourn:problem:session-conflict", "detail": "Another request changed 'a'.", "status": 409}
ODD: list[dict[str, Any]] = [
    {"keys": "a"},
    {"keys": [1]},
    {"keys": {"a": 1}},
    {"limit": "3"},
    {"limit": 3.5},
    {"size": True},
    {"max_age": "60"},
    {"level": 2},
    {"action": ["a"]},
    {"end_reason": "boredom"},
    {"detail": None},
]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        b"{}",
        b'{"type": 1}',
        b'{"type": "about:blank", "title": "Conflict"}',
        *(msgspec.json.encode(CONFLICT | odd) for odd in ODD),
    ],
)
def test_what_is_none_of_our_problems_is_none(body: bytes) -> None:
    assert Problem.read(409, body) is None


@pytest.mark.parametrize("code", ["session-conflict", "session-limit", "data-too-large"])
def test_an_error_is_not_made_up_of_what_a_problem_does_not_hold(code: str) -> None:
    assert error_of(Problem(status=409, code=code, title="", detail="'a' has 3 of 2 bytes", size=3)) is None


def test_the_problems_of_others_are_no_errors_of_ours() -> None:
    assert error_of(Problem(status=404, code="not-found", title="", detail="")) is None


def test_the_schema_has_every_member() -> None:
    schema = problem_schema()
    # All but what goes into headers.
    members = ["type" if name == "code" else name for name in Problem.__struct_fields__ if name != "told"]

    assert sorted(schema["properties"]) == sorted(members)
    assert schema["required"] == ["type", "title", "status", "detail"]


MISTAKES = [
    errors.ConfigurationError("x"),
    errors.InvalidData("x"),
    errors.SessionCommitted("x"),
    errors.SessionExists(),
    SojournError("x"),
]


@pytest.mark.parametrize("error", MISTAKES, ids=lambda error: type(error).__name__)
def test_a_developers_mistake_is_no_answer_to_anybody(error: SojournError) -> None:
    assert problem_of(error) is None


def test_this_page_knows_every_error() -> None:
    known = {type(error).__name__ for error, *_ in TABLE} | {type(error).__name__ for error in MISTAKES}

    assert known == set(errors.__all__) - {"EndReason", "UnreadableRecord"}


def test_a_store_error_of_a_users_own_kind_is_an_outage_too() -> None:
    class Gone(errors.StoreUnavailable):
        """What a store of somebody else's might raise."""

    problem = problem_of(Gone("x"))

    assert problem is not None
    assert problem.status == 503


def test_an_outage_says_when_to_come_back_and_nothing_of_the_store() -> None:
    problem = problem_of(errors.StoreUnavailable("db.internal:5432 refused"))

    assert problem is not None
    assert ("retry-after", "2") in problem.headers()
    assert b"internal" not in problem.body()


def test_only_an_outage_says_when_to_come_back() -> None:
    problem = Problem(status=409, code="x", title="x", detail="x")

    assert [name for name, _ in problem.headers()] == ["content-type", "cache-control", "x-content-type-options"]


def test_data_from_a_browser_that_cannot_be_kept_is_the_browsers_mistake() -> None:
    problem = invalid_data(errors.InvalidData("session['a'] is nested deeper than 32 levels."))

    assert (problem.status, problem.code) == (422, "invalid-data")
    assert "32 levels" in problem.detail


def test_a_refusal_that_a_proof_would_mend_brings_a_nonce_for_it() -> None:
    plain = problem_of(errors.ReauthenticationRequired(60))
    asks = problem_of(errors.ReauthenticationRequired(60, nonce="1795862758-Qf7"))

    assert plain is not None
    assert asks is not None
    assert ("dpop-nonce", "1795862758-Qf7") in asks.headers()
    assert "dpop-nonce" not in dict(plain.headers())
