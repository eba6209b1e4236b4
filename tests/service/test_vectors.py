"""tests/vectors/*.json, which the adapters' tests read too, against Python's own code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sojourn.core.cookie import CookieOptions, clearings
from sojourn.core.errors import (
    ConfigurationError,
    DataTooLarge,
    InvalidData,
    ReauthenticationRequired,
    SessionConflict,
    SessionEnded,
    SessionLimitReached,
    SessionRefused,
    StoreUnavailable,
)
from sojourn.core.merge import MISSING, merge, same
from sojourn.core.origin import is_cross_origin, is_foreign_handshake, trusted
from sojourn.core.problem import Problem, invalid_data, problem_of
from sojourn.core.rivals import secrets_by_session
from sojourn.core.token import parse
from sojourn.service.keys import take_apart
from sojourn.wire import problems

VECTORS = Path(__file__).parents[1] / "vectors"


def read(name: str) -> Any:
    return json.loads((VECTORS / f"{name}.json").read_text("utf-8"))


TOKENS, COOKIES, MERGES, PROBLEMS, ORIGINS = map(read, ["tokens", "cookies", "merges", "problems", "origins"])


def by_why(cases: list[dict[str, Any]]) -> pytest.MarkDecorator:
    assert len({case["why"] for case in cases}) == len(cases)
    return pytest.mark.parametrize("case", cases, ids=lambda case: case["why"])


@pytest.mark.parametrize("case", TOKENS["valid"], ids=lambda case: case["id"])
def test_a_token_is_known_by_its_shape(case: dict[str, str]) -> None:
    token = parse(case["token"])

    assert token is not None
    assert (token.id, token.reveal()) == (case["id"], case["token"])


@by_why(TOKENS["invalid"])
def test_what_is_no_token_is_none(case: dict[str, str]) -> None:
    assert parse(case["text"]) is None


@by_why(COOKIES["cases"])
def test_the_token_is_found_in_cookie_headers(case: dict[str, Any]) -> None:
    cookie = CookieOptions(name=case["name"])
    values = {value for header in case["headers"] for value in cookie.find(header.encode())}
    token = next(iter(values), "")
    result = "ambiguous" if len(values) > 1 else "token" if parse(token) else "none"

    assert result == case["result"]
    if result == "token":
        assert token == case["token"]
    shown = dict.fromkeys(value for header in case["headers"] for value in cookie.find(header.encode()) if parse(value))
    assert list(shown) == case["tokens"]


@by_why(COOKIES["cases"])
def test_of_several_cookies_those_that_are_tokens_are_told_apart(case: dict[str, Any]) -> None:
    values = [value for header in case["headers"] for value in CookieOptions(name=case["name"]).find(header.encode())]

    assert sorted(token.reveal() for secrets in secrets_by_session(values) for token in secrets) == sorted(
        case["tokens"]
    )


@by_why(COOKIES["clearing"])
def test_every_cookie_of_the_name_that_can_be_named_is_cleared(case: dict[str, Any]) -> None:
    assert clearings(case["name"], case["host"], case["path"]) == case["lines"]


@by_why(COOKIES["set"])
def test_the_cookie_is_spelled(case: dict[str, Any]) -> None:
    cookie = CookieOptions(**case["options"])
    text = cookie.clear() if case["token"] is None else cookie.set(case["token"], case["max_age"])

    assert text == case["set_cookie"]


@by_why(MERGES["cases"])
def test_values_are_merged(case: dict[str, Any]) -> None:
    base, mine, theirs, merged = (case.get(name, MISSING) for name in ("base", "mine", "theirs", "merged"))
    found, lost = merge(base, mine, theirs)

    assert same(found, merged)
    assert lost == case["conflict"]


KEYS = ("it's", "a, b", "cart", 'say "hi"', "\\", "ключ 🦊", "line\nbreak", "")


@by_why(ORIGINS["cases"])
def test_a_request_of_another_site_is_told_by_its_headers(case: dict[str, Any]) -> None:
    headers = case["headers"]
    said = {"origin": headers.get("origin"), "host": headers["host"], "trusted_origins": trusted(ORIGINS["trusted"])}
    if case.get("handshake"):
        foreign = is_foreign_handshake(**said)
    else:
        foreign = is_cross_origin(case["method"], site=headers.get("sec-fetch-site"), **said)

    assert foreign is not case["allowed"]


def test_trusted_origins_are_as_a_browser_spells_them() -> None:
    assert trusted(ORIGINS["valid"]) == set(ORIGINS["valid"])
    for origin in ORIGINS["invalid"]:
        with pytest.raises(ConfigurationError):
            trusted([origin])


SAID: dict[str, list[Problem | None]] = {
    "session-ended": [problem_of(SessionEnded(reason)) for reason in ("logout", "idle_timeout", "absolute_timeout")]
    + [problem_of(SessionEnded(reason)) for reason in ("revoked", "replaced", "token_reuse", "limit", None)],
    "session-conflict": [problem_of(SessionConflict(keys)) for keys in (("cart",), KEYS)],
    "session-limit": [problem_of(SessionLimitReached(3))],
    "session-refused": [problem_of(SessionRefused(30))],
    "data-too-large": [problem_of(DataTooLarge(40_000, 32_768))],
    "store-unavailable": [problem_of(StoreUnavailable("the driver's words"))],
    "invalid-data": [
        invalid_data(InvalidData("session['n'] holds an integer of more than 64 bits. Keep it as text.")),
    ],
    "reauthentication-required": [problem_of(ReauthenticationRequired(action="transfer:42"))],
    "invalid-body": [problems.invalid_body("Expected `object`, got `array` - at `$.changes`")],
    "body-too-large": [problems.body_too_large(196_608)],
    "batch-too-large": [problems.batch_too_large(128)],
    "unsupported-media-type": [problems.NOT_JSON],
    "api-key-required": [problems.API_KEY_REQUIRED],
    "api-key-refused": [problems.API_KEY_REFUSED],
    "api-key-scope": [problems.wrong_scope("0123abcd", "admin")],
    "not-found": [problems.NOT_FOUND],
    "method-not-allowed": [problems.method_not_allowed(["POST"])],
}


@pytest.mark.parametrize("code", SAID)
def test_problems_are_told_as_documented(code: str) -> None:
    told = [problem for problem in PROBLEMS["problems"] if problem["code"] == code]
    said = [problem for problem in SAID[code] if problem]

    assert [problem["body"] for problem in told] == [json.loads(problem.body()) for problem in said]
    assert [problem["status"] for problem in told] == [problem.status for problem in said]
    for expected, problem in zip(told, said, strict=True):
        sent = dict(problem.headers())
        extra = {"www-authenticate": "Bearer"} if problem.status == 401 and "api-key" in code else {}
        extra |= {"allow": "POST"} if problem.status == 405 else {}
        assert expected["headers"] == {name: sent[name] for name in expected["headers"] if name in sent} | extra


def test_no_problem_is_left_out() -> None:
    assert {problem["code"] for problem in PROBLEMS["problems"]} == set(SAID)


def test_an_api_key_is_known_by_its_shape() -> None:
    assert all(take_apart(text.encode()) for text in PROBLEMS["keys"]["valid"])
    assert not any(take_apart(text.encode()) for text in PROBLEMS["keys"]["invalid"])
