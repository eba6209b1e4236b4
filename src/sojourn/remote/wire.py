"""The wire to the session service, version 1: what is asked, what is answered, what a problem means. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Literal, NamedTuple, TypeVar
from urllib.parse import quote

import msgspec

from sojourn.core.errors import (
    ConfigurationError,
    DataTooLarge,
    EndReason,
    InvalidData,
    SessionConflict,
    SessionEnded,
    SessionLimitReached,
    SojournError,
    StoreUnavailable,
)
from sojourn.core.info import SessionInfo
from sojourn.core.token import ID_PATTERN, Token

from .address import Address

__all__ = [
    "Answer",
    "Ask",
    "Committed",
    "Ended",
    "Found",
    "Listed",
    "Opened",
    "SessionState",
    "ask_commit",
    "ask_get",
    "ask_list",
    "ask_open",
    "ask_revoke",
    "ask_revoke_all",
    "read",
]

T = TypeVar("T")

_encode = msgspec.json.Encoder().encode
_is_id = re.compile(ID_PATTERN).fullmatch


class Ask(msgspec.Struct, frozen=True):
    """A request to the service. `again`: it may be sent twice, where it is not known to have arrived."""

    method: str
    path: str
    body: bytes = b""
    again: bool = True


class SessionState(msgspec.Struct, frozen=True, kw_only=True):
    """A live session with all of its data."""

    id: str
    user_id: str | None
    data: msgspec.Raw
    version: int
    created_at: int
    authenticated_at: int | None
    seen_at: int
    absolute_expires_at: int
    idle_timeout: int
    remember: bool
    follows: EndReason | None = None


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of /v1/open."""

    status: Literal["none", "active", "ended"]
    end_reason: EndReason | None
    session: SessionState | None
    commit_due: bool
    now: int
    ended_at: int | None = None


class Committed(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of /v1/commit."""

    status: Literal["none", "active", "ended"]
    end_reason: EndReason | None
    session: SessionState | None
    token: str | None
    max_age: int | None
    clear: bool
    now: int


class ListedSession(msgspec.Struct, frozen=True, kw_only=True):
    """A session without its data. What the service does not tell of it is empty."""

    id: str
    ip: str | None
    created_at: int
    authenticated_at: int | None
    seen_at: int
    expires_at: int
    user_id: str | None = None
    user_agent: str | None = None
    end_reason: EndReason | None = None
    idle_timeout: int = 0
    absolute_expires_at: int = 0
    version: int = 0
    remember: bool = False
    level: str | None = None
    methods: tuple[str, ...] = ()
    device: str | None = None

    def info(self, user_id: str | None = None) -> SessionInfo:
        """The same as a manager tells it."""
        return SessionInfo(
            id=self.id,
            user_id=self.user_id or user_id,
            created_at=self.created_at,
            authenticated_at=self.authenticated_at,
            seen_at=self.seen_at,
            expires_at=self.expires_at,
            idle_timeout=self.idle_timeout,
            absolute_expires_at=self.absolute_expires_at or self.expires_at,
            end_reason=self.end_reason,
            version=self.version,
            remember=self.remember,
            level=self.level,
            methods=self.methods,
            device=self.device or "",
            ip=self.ip or "",
            user_agent=self.user_agent or "",
            data={},
        )


class Listed(msgspec.Struct, frozen=True):
    """The answer of GET /v1/users/{user_id}/sessions."""

    sessions: list[ListedSession]


class Found(msgspec.Struct, frozen=True):
    """The answer of GET /v1/sessions/{id}."""

    session: ListedSession | None


class Ended(msgspec.Struct, frozen=True):
    """How many sessions a request ended."""

    ended: int


class _Problem(msgspec.Struct, frozen=True):
    type: str
    detail: str = ""
    end_reason: EndReason | None = None


def ask_open(token: Token) -> Ask:
    """What `token` opens."""
    return Ask("POST", "/v1/open", _encode({"token": token.reveal()}))


def ask_commit(body: dict[str, Any]) -> Ask:
    """Write what `body` says. Never sent twice: increments would count twice."""
    return Ask("POST", "/v1/commit", _encode(body), again=False)


def ask_get(id: str) -> Ask | None:
    """One session by its id; None for what is no id."""
    return Ask("GET", f"/v1/sessions/{id}") if _is_id(id) else None


def ask_list(user_id: str) -> Ask:
    """The user's live sessions."""
    return Ask("GET", _user(user_id))


def ask_revoke(id: str, reason: EndReason) -> Ask | None:
    """End one session; None for what is no id."""
    _only_revoked(reason)
    # Sent twice, it would say that there was nothing to end.
    return Ask("DELETE", f"/v1/sessions/{id}", again=False) if _is_id(id) else None


def ask_revoke_all(user_id: str, keep: str | None, reason: EndReason) -> Ask:
    """End the user's sessions, but `keep`."""
    _only_revoked(reason)
    # What is no id names no session, so there is none to keep.
    query = f"?keep={keep}" if keep and _is_id(keep) else ""
    return Ask("DELETE", _user(user_id) + query, again=False)


def _user(user_id: str) -> str:
    return f"/v1/users/{quote(user_id, safe='')}/sessions"


def _only_revoked(reason: EndReason) -> None:
    if reason != "revoked":
        raise ConfigurationError(f"reason={reason!r}: what ends through the service ends as 'revoked'. Leave it out.")


class Answer(NamedTuple):
    """What the service answered."""

    status: int
    body: bytes


def read(kind: type[T], answer: Answer, ask: Ask, address: Address) -> T:
    """The answer as a `kind`. Raises what the manager at the service raised."""
    status, body = answer
    if status == 200:
        try:
            return msgspec.json.decode(body, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise StoreUnavailable(f"{address.name} answers, but not as a session service does.") from None
    try:
        problem = msgspec.json.decode(body, type=_Problem)
    except (msgspec.DecodeError, UnicodeDecodeError):
        problem = _Problem("")
    raise _error(problem, status, ask, address)


def _error(problem: _Problem, status: int, ask: Ask, address: Address) -> SojournError:
    code, detail, place = problem.type.removeprefix("urn:sojourn:problem:"), problem.detail, address.name
    known: dict[str, Callable[[], SojournError]] = {
        "session-ended": lambda: SessionEnded(problem.end_reason),
        "session-conflict": lambda: SessionConflict(tuple(re.findall(r"'([^']*)'", detail))),
        "session-limit": lambda: SessionLimitReached(*_numbers(detail, 1)),
        "data-too-large": lambda: DataTooLarge(*_numbers(detail, 2)),
        "body-too-large": lambda: DataTooLarge(len(ask.body), *_numbers(detail, 1)),
        "invalid-data": lambda: InvalidData(detail),
        "store-unavailable": lambda: StoreUnavailable(f"The session service at {place} has no store now. {detail}"),
    }
    if code in known:
        return known[code]()
    if code.startswith("api-key-"):
        return ConfigurationError(
            f"The session service at {place} refuses the API key {address.key_id} ({code}): {detail}"
        )
    if code == problem.type or status >= 500:
        return StoreUnavailable(f"{place} answers {status}, which is not a session service's word.")
    return ConfigurationError(f"The session service at {place} does not take this request ({code}): {detail}")


def _numbers(detail: str, count: int) -> list[int]:
    """The sizes that a problem tells in words; 0 where it does not."""
    found = [int(number.replace(",", "")) for number in re.findall(r"\d[\d,]*", detail)]
    return [*found, 0, 0][:count]
