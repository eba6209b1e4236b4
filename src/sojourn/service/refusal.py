"""Refused: a request that gets a problem for an answer, and the problems that are the service's own."""

from __future__ import annotations

from collections.abc import Collection

from sojourn.core.problem import Problem

__all__ = [
    "API_KEY_REFUSED",
    "API_KEY_REQUIRED",
    "BAD_KEEP",
    "NOT_FOUND",
    "NOT_JSON",
    "NO_REMEMBER",
    "Refused",
    "body_too_large",
    "invalid_body",
    "key_refused",
    "method_not_allowed",
    "wrong_scope",
]


class Refused(Exception):
    """Carries the problem, and what headers go with it, to where it is answered."""

    def __init__(self, problem: Problem, *headers: tuple[str, str]) -> None:
        super().__init__(problem.code)
        self.problem = problem
        self.headers = headers


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
NO_REMEMBER = Problem(
    status=422,
    code="invalid-data",
    title="Nobody is remembered here",
    detail="The service's policy has no `remember`. Log in without it, or set policy.remember in its configuration.",
)
BAD_KEEP = Problem(
    status=400, code="invalid-body", title="No session's id", detail="`keep` takes the id of a session, 32 hex digits."
)


def wrong_scope(key: str, scope: str) -> Problem:
    """The key of this id is not for what `scope` allows."""
    return Problem(
        status=403,
        code="api-key-scope",
        title="Not what this API key is for",
        detail=f"The key {key} has not the scope {scope!r}. Make one that has: sojourn keys make --scope {scope}",
    )


def method_not_allowed(methods: Collection[str]) -> Refused:
    """An endpoint was asked for by another method than its own."""
    detail = f"Use {' or '.join(methods)}."
    problem = Problem(status=405, code="method-not-allowed", title="Not this method", detail=detail)
    return Refused(problem, ("allow", ", ".join(methods).replace("GET", "GET, HEAD")))


def key_refused(problem: Problem) -> Refused:
    """An API key is missing, wrong, or for something else."""
    return Refused(problem, *([("www-authenticate", "Bearer")] if problem.status == 401 else []))


def body_too_large(limit: int) -> Problem:
    """A body has more than `limit` bytes."""
    return Problem(status=413, code="body-too-large", title="Too large", detail=f"A body may have {limit:,} bytes.")


def invalid_body(detail: str) -> Problem:
    """A body is no JSON, or not of the form that the endpoint takes."""
    return Problem(
        status=400,
        code="invalid-body",
        title="Not what this endpoint takes",
        detail=f"The body could not be read: {detail}. /v1/openapi.json says what it may hold.",
    )
