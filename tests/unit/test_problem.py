"""Problem: an error as an HTTP answer."""

from __future__ import annotations

import msgspec
import pytest

from sojourn.core import errors
from sojourn.core.errors import SojournError
from sojourn.core.problem import Problem, invalid_data, problem_of

TABLE: list[tuple[SojournError, int, str]] = [
    (errors.SessionEnded("logout"), 401, "session-ended"),
    (errors.SessionEnded(None), 401, "session-ended"),
    (errors.LoginRequired(), 401, "login-required"),
    (errors.LoginRequired("revoked"), 401, "login-required"),
    (errors.ReauthenticationRequired(60), 401, "reauthentication-required"),
    (errors.SessionConflict(("a",)), 409, "session-conflict"),
    (errors.SessionLimitReached(2), 409, "session-limit"),
    (errors.DataTooLarge(2, 1), 413, "data-too-large"),
    (errors.StoreUnavailable("db.internal:5432 refused"), 503, "store-unavailable"),
    (errors.UnreadableRecord("0" * 32), 503, "store-unavailable"),
]


@pytest.mark.parametrize(("error", "status", "code"), TABLE)
def test_what_a_request_met_is_told_in_the_words_of_rfc_9457(error: SojournError, status: int, code: str) -> None:
    problem = problem_of(error)
    assert problem is not None
    body = msgspec.json.decode(problem.body())
    reason = getattr(error, "reason", None)

    assert body.pop("type") == f"urn:sojourn:problem:{code}"
    assert body.pop("status") == problem.status == status
    assert body.pop("title")
    assert body.pop("detail")
    assert body == ({"end_reason": reason} if reason else {})
    assert ("content-type", "application/problem+json") in problem.headers()
    assert ("cache-control", "no-store") in problem.headers()


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
    known = {type(error).__name__ for error, _, _ in TABLE} | {type(error).__name__ for error in MISTAKES}

    assert known == set(errors.__all__) - {"EndReason"}


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

    assert [name for name, _ in problem.headers()] == ["content-type", "cache-control"]


def test_data_from_a_browser_that_cannot_be_kept_is_the_browsers_mistake() -> None:
    problem = invalid_data(errors.InvalidData("session['a'] is nested deeper than 32 levels."))

    assert (problem.status, problem.code) == (422, "invalid-data")
    assert "32 levels" in problem.detail
