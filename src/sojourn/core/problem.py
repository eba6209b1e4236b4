"""Problem: an error as an HTTP answer, application/problem+json (RFC 9457), and back again."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final, get_args

import msgspec

from .errors import (
    DataTooLarge,
    EndReason,
    Flaw,
    InvalidData,
    LoginRequired,
    ProofRefused,
    ReauthenticationRequired,
    SessionConflict,
    SessionEnded,
    SessionLimitReached,
    SessionRefused,
    SojournError,
    StoreUnavailable,
)

__all__ = ["NOSNIFF", "Problem", "error_of", "invalid_data", "problem_of", "problem_schema", "problem_to_send"]

logger = logging.getLogger("sojourn")

CONTENT_TYPE = "application/problem+json"
RETRY_AFTER = 2
NOSNIFF: Final = ("x-content-type-options", "nosniff")
"""On all answers of our own: what they quote must not be taken for a page or a script (ASVS 3.4.4)."""
_TYPE = "urn:sojourn:problem:"
_PROOF_CODE = "proof-"


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """What went wrong, for a program (all but `title` and `detail`) and for a person (these two).

    What an error holds is in members of its own, None where it does not hold it: nobody has to read `detail` for it.
    `end_reason` says why the session ended, and `keys` which of its keys are meant. `size` and `limit` are bytes, but
    that of the code `session-limit` is a number of sessions. What a log-in must be: `max_age`, in seconds, and `level`;
    `action` is what wants a proof of its own. `retry_after` is in seconds. `nonce` is for the next proof of a key.
    `told` are headers for a browser whose own key it is, in place of those for a script; they are no part of the body.
    """

    status: int
    code: str
    title: str
    detail: str
    end_reason: EndReason | None = None
    keys: tuple[str, ...] | None = None
    size: int | None = None
    limit: int | None = None
    max_age: float | None = None
    level: str | None = None
    action: str | None = None
    retry_after: int | None = None
    nonce: str | None = None
    told: tuple[tuple[str, str], ...] | None = None

    @classmethod
    def read(cls, status: int, body: bytes) -> Problem | None:
        """The problem in the body of an answer with this status; None where it is none of Sojourn's."""
        try:
            told = msgspec.json.decode(body, type=dict[str, Any])
            kind = told["type"]
            if not isinstance(kind, str) or not kind.startswith(_TYPE):
                return None
            said = {"title": "", "detail": "", **told, "status": status, "code": kind.removeprefix(_TYPE), "told": None}
            return msgspec.convert(said, cls)
        except (KeyError, RecursionError, UnicodeDecodeError, msgspec.DecodeError):
            return None

    def body(self) -> bytes:
        """The problem as JSON; its type is `urn:sojourn:problem:` and the code."""
        members: dict[str, Any] = {
            "type": f"{_TYPE}{self.code}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
        }
        held = {name: getattr(self, name) for name in _EXTENSIONS}
        return msgspec.json.encode(members | {name: value for name, value in held.items() if value is not None})

    def headers(self) -> list[tuple[str, str]]:
        """The headers that go with the body. Never cached: the next try may succeed."""
        wait = RETRY_AFTER if self.status == 503 else self.retry_after
        more = [] if wait is None else [("retry-after", str(wait))]
        if self.told is not None:
            more = list(self.told)
        elif self.code.startswith(_PROOF_CODE):
            more = _challenge(self.code, self.nonce)
        elif self.nonce is not None:
            more = [("dpop-nonce", self.nonce)]
        return [("content-type", CONTENT_TYPE), ("cache-control", "no-store"), NOSNIFF, *more]


def _challenge(code: str, nonce: str | None) -> list[tuple[str, str]]:
    """What RFC 9449 (sections 7.1, 8 and 9) has a client read, and ours that its token is worth nothing to it."""
    error = "use_dpop_nonce" if nonce is not None else "invalid_dpop_proof"
    told = [("www-authenticate", f'DPoP error="{error}", algs="ES256"')]
    if nonce is not None:
        told.append(("dpop-nonce", nonce))
    if code in ("proof-required", "proof-other-key"):
        # Its key is lost, or it knows of none: it could not even log in as long as it sends the token.
        told.append(("sojourn-token", "none"))
    return told


# RFC 9457 calls them extension members.
_EXTENSIONS: Final = Problem.__struct_fields__[4:-1]

_END_REASON = {"end_reason": "reason"}
_PROOF = {name: name for name in ("max_age", "level", "action")}
# The others are None where they play no part, or are not known.
_ALWAYS = {"keys", "size", "limit", "retry_after"}
# With each error what it holds: the problem's member and the error's attribute, in the order of its arguments.
_KNOWN: dict[type[SojournError], tuple[int, str, str, Mapping[str, str]]] = {
    SessionEnded: (401, "session-ended", "The session has ended", _END_REASON),
    LoginRequired: (401, "login-required", "Log in first", _END_REASON),
    ReauthenticationRequired: (401, "reauthentication-required", "Log in again", _PROOF),
    SessionConflict: (409, "session-conflict", "Changed by another request", {"keys": "keys"}),
    SessionLimitReached: (409, "session-limit", "Too many sessions", {"limit": "limit"}),
    SessionRefused: (429, "session-refused", "Not now", {"retry_after": "retry_after"}),
    DataTooLarge: (413, "data-too-large", "Too much data for a session", {"size": "size", "limit": "limit"}),
    StoreUnavailable: (503, "store-unavailable", "Sessions are not available right now", {}),
}


def problem_of(error: SojournError) -> Problem | None:
    """The answer to a request that met `error`; None for a developer's mistake, which is no answer to anybody."""
    if isinstance(error, ProofRefused):
        return _unproved(error)
    known = next((known for kind, known in _KNOWN.items() if isinstance(error, kind)), None)
    if known is None:
        return None
    status, code, title, holds = known
    # The driver's words are for the log: they may name hosts and files.
    outage = "Try again soon. What this request was to write may be written, or not."
    detail = outage if isinstance(error, StoreUnavailable) else str(error)
    held = {member: getattr(error, attribute) for member, attribute in holds.items()}
    nonce = error.nonce if isinstance(error, ReauthenticationRequired) else None
    return Problem(status=status, code=code, title=title, detail=detail, nonce=nonce, **held)


def _unproved(error: ProofRefused) -> Problem:
    told: tuple[tuple[str, str], ...] | None = None
    status = 401
    if error.device is not None:
        told = error.told
        if error.nonce is not None:
            # On a 403 the browser signs anew; on a 401 it gives its session up.
            status, told = 403, (("secure-session-challenge", f'"{error.nonce}";id="{error.device}"'),)
    return Problem(
        status=status,
        code=error.flaw,
        title="The key is not proved",
        detail=str(error),
        nonce=error.nonce,
        told=told,
    )


def error_of(problem: Problem) -> SojournError | None:
    """The error that `problem` is the answer to; None where it is another's, or lacks what the error holds."""
    if problem.code == "invalid-data":
        return InvalidData(problem.detail)
    if problem.code in get_args(Flaw):
        return ProofRefused(problem.code, problem.nonce)  # type: ignore[arg-type]  # it is one of them
    for kind, (_, code, _, holds) in _KNOWN.items():
        if code == problem.code:
            held = {member: getattr(problem, member) for member in holds}
            is_whole = all(held[member] is not None for member in _ALWAYS & held.keys())
            return kind(*(held.values() or [problem.detail])) if is_whole else None
    return None


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


def problem_schema() -> dict[str, Any]:
    """What a problem's body holds, as JSON Schema: for the descriptions in OpenAPI."""
    text = {"type": "string"}
    members: dict[str, Any] = {
        "type": {"type": "string", "pattern": f"^{_TYPE}[a-z-]+$"},
        "title": text,
        "status": {"type": "integer"},
        "detail": text,
        "end_reason": {"enum": list(get_args(EndReason)), "description": "session-ended, login-required: if known"},
        "keys": {"type": "array", "items": text, "description": "session-conflict, not-writable: the session's keys"},
        "size": {"type": "integer", "description": "data-too-large: how much it would be, in bytes"},
        "limit": {
            "type": "integer",
            "description": "session-limit: of sessions; batch-too-large: of calls; *-too-large: of bytes",
        },
        "max_age": {"type": "number", "description": "reauthentication-required: how old a log-in may be, in seconds"},
        "level": text | {"description": "reauthentication-required: the level that a log-in must have"},
        "action": text | {"description": "reauthentication-required: what wants a proof of its own"},
        "retry_after": {"type": "integer", "description": "session-refused: when to try again, in seconds"},
        "nonce": text | {"description": "proof-…, reauthentication-required: what the next proof must hold"},
    }
    required = ["type", "title", "status", "detail"]
    return {"type": "object", "properties": members, "required": required, "additionalProperties": False}
