"""Problem: an error as an HTTP answer, application/problem+json (RFC 9457)."""

from __future__ import annotations

import logging

import msgspec

from .errors import (
    DataTooLarge,
    EndReason,
    InvalidData,
    LoginRequired,
    ReauthenticationRequired,
    SessionConflict,
    SessionEnded,
    SessionLimitReached,
    SojournError,
    StoreUnavailable,
)

__all__ = ["Problem", "invalid_data", "problem_of", "problem_to_send"]

logger = logging.getLogger("sojourn")

CONTENT_TYPE = "application/problem+json"
RETRY_AFTER = 2


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """What went wrong, for a program (`code`, `status`) and for a person (`title`, `detail`): RFC 9457.

    docs/errors.md has every code. `end_reason` is why the session ended, where that is what went wrong.
    """

    status: int
    code: str
    title: str
    detail: str
    end_reason: EndReason | None = None

    def body(self) -> bytes:
        """The problem as JSON; its type is `urn:sojourn:problem:` and the code."""
        members: dict[str, str | int] = {
            "type": f"urn:sojourn:problem:{self.code}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
        }
        if self.end_reason:
            members["end_reason"] = self.end_reason
        return msgspec.json.encode(members)

    def headers(self) -> list[tuple[str, str]]:
        """The headers that go with the body. Never cached: the next try may succeed."""
        retry = [("retry-after", str(RETRY_AFTER))] if self.status == 503 else []
        return [("content-type", CONTENT_TYPE), ("cache-control", "no-store"), *retry]


_KNOWN: dict[type[SojournError], tuple[int, str, str]] = {
    SessionEnded: (401, "session-ended", "The session has ended"),
    LoginRequired: (401, "login-required", "Log in first"),
    ReauthenticationRequired: (401, "reauthentication-required", "Log in again"),
    SessionConflict: (409, "session-conflict", "Changed by another request"),
    SessionLimitReached: (409, "session-limit", "Too many sessions"),
    DataTooLarge: (413, "data-too-large", "Too much data for a session"),
    StoreUnavailable: (503, "store-unavailable", "Sessions are not available right now"),
}


def problem_of(error: SojournError) -> Problem | None:
    """The answer to a request that met `error`; None for a developer's mistake, which is no answer to anybody."""
    known = next((known for kind, known in _KNOWN.items() if isinstance(error, kind)), None)
    if known is None:
        return None
    status, code, title = known
    reason = error.reason if isinstance(error, (SessionEnded, LoginRequired)) else None
    if isinstance(error, StoreUnavailable):
        # The driver's words are for the log: they may name hosts and files.
        detail = "Try again soon. What this request was to write may be written, or not."
        return Problem(status=status, code=code, title=title, detail=detail)
    return Problem(status=status, code=code, title=title, detail=str(error), end_reason=reason)


def problem_to_send(error: SojournError) -> Problem:
    """The answer to a request that met `error`; an outage goes to the log too. Raises a developer's mistake on."""
    problem = problem_of(error)
    if problem is None:
        raise error
    if isinstance(error, StoreUnavailable):
        logger.warning("%s", error)
    return problem


def invalid_data(error: InvalidData) -> Problem:
    """The answer where the data that could not be kept came from the browser."""
    return Problem(status=422, code="invalid-data", title="Not something a session can keep", detail=str(error))
