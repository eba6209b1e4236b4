"""The problems that are the service's own, as it says them and as a back end knows them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from sojourn.core.problem import Problem

from .api_key import KeyScope

__all__ = [
    "API_KEY_CODES",
    "API_KEY_REFUSED",
    "API_KEY_REQUIRED",
    "BAD_ACTOR",
    "BAD_KEEP",
    "BAD_PAGE",
    "BAD_WAIT",
    "BODY_TOO_LARGE",
    "NOT_FOUND",
    "NOT_JSON",
    "NOT_LINES",
    "NO_REMEMBER",
    "NO_STATUS",
    "bad_query",
    "batch_too_large",
    "body_too_large",
    "invalid_body",
    "method_not_allowed",
    "wrong_scope",
]

API_KEY_REQUIRED = Problem(
    status=401,
    code="api-key-required",
    title="An API key is required",
    detail="Send one as Authorization: Bearer sjk1-… and nothing else. `sojourn keys make` makes one.",
)
API_KEY_REFUSED = Problem(
    status=401,
    code="api-key-refused",
    title="This API key opens nothing",
    detail="It is unknown, wrong or revoked. `sojourn keys list` names those that there are.",
)
NOT_FOUND = Problem(status=404, code="not-found", title="No such endpoint", detail="/v1/openapi.json names them.")
NOT_JSON = Problem(
    status=415, code="unsupported-media-type", title="JSON only", detail="Send the body as application/json."
)
NOT_LINES = Problem(
    status=415,
    code="unsupported-media-type",
    title="Lines of JSON only",
    detail="Send the calls of a batch as application/x-ndjson, each in a line of its own.",
)
NO_REMEMBER = Problem(
    status=422,
    code="invalid-data",
    title="Nobody is remembered here",
    detail="The service's policy has no `remember`. Log in without it, or set policy.remember in its configuration.",
)
BAD_ACTOR = Problem(
    status=400,
    code="invalid-body",
    title="Nobody's name",
    detail="`by` takes user, session:ID, application:NAME, cli:NAME or key:ID; `address` up to 100 letters of ASCII.",
)
BAD_KEEP = Problem(
    status=400, code="invalid-body", title="No session's id", detail="`keep` takes the id of a session, 32 hex digits."
)
BAD_PAGE = Problem(
    status=400,
    code="invalid-body",
    title="No page of a list",
    detail="`after` takes the greatest id of the page before, and `limit` a number from 1 to 1000.",
)
BAD_WAIT = Problem(
    status=400, code="invalid-body", title="No time to wait", detail="`wait` takes a number of seconds from 1 to 60."
)


def bad_query(names: Collection[str]) -> Problem:
    """A query has something else than these parameters, or one of them twice."""
    detail = f"The query may hold {' and '.join(f'`{name}`' for name in names)}, each once, and nothing else."
    return Problem(status=400, code="invalid-body", title="Not what this endpoint takes", detail=detail)


def wrong_scope(key: str, scope: KeyScope) -> Problem:
    """The key of this id is not for what `scope` allows."""
    return Problem(
        status=403,
        code="api-key-scope",
        title="Not what this API key is for",
        detail=f"The key {key} has not the scope {scope!r}. Make one that has: sojourn keys make --scope {scope}",
    )


def method_not_allowed(methods: Collection[str]) -> Problem:
    """An endpoint was asked for by another method than its own."""
    return Problem(
        status=405, code="method-not-allowed", title="Not this method", detail=f"Use {' or '.join(methods)}."
    )


def body_too_large(limit: int) -> Problem:
    """A body has more than `limit` bytes."""
    detail = f"A body may have {limit:,} bytes."
    return Problem(status=413, code="body-too-large", title="Too large", detail=detail, limit=limit)


def batch_too_large(limit: int) -> Problem:
    """A batch has more than `limit` calls."""
    detail = f"A batch may hold {limit} calls, and nothing of this one was done. Send the calls in several."
    return Problem(status=413, code="batch-too-large", title="Too many calls", detail=detail, limit=limit)


def invalid_body(detail: str) -> Problem:
    """A body is no JSON, or not of the form that the endpoint takes."""
    return Problem(
        status=400,
        code="invalid-body",
        title="Not what this endpoint takes",
        detail=f"The body could not be read: {detail}. /v1/openapi.json says what it may hold.",
    )


NO_STATUS = invalid_body(
    "`status` is missing: with a token, send what the open answered, or the last commit since. An adapter that does "
    "not is older than this service: update it"
)

API_KEY_CODES: Final = {API_KEY_REQUIRED.code, API_KEY_REFUSED.code, wrong_scope("", "sessions").code}
"""Of what is wrong with an API key, which is nothing for a visitor to hear."""
BODY_TOO_LARGE: Final = body_too_large(0).code
