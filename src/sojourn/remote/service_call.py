"""ServiceCall: what a back end asks of the service; and read(), what it makes of the answer. No I/O."""

from __future__ import annotations

import re
from typing import NamedTuple, TypeVar

import msgspec

from sojourn.core.errors import ConfigurationError, DataTooLarge, EndReason, SojournError, StoreUnavailable
from sojourn.core.problem import Problem, error_of
from sojourn.core.token import ID_PATTERN, Token
from sojourn.wire.http import COMMIT, JSON, OPEN, session_path, user_path
from sojourn.wire.problems import API_KEY_CODES, BODY_TOO_LARGE
from sojourn.wire.requests import CommitRequest, OpenRequest, PresentedKey, ShownDevice

from .address import Address

__all__ = [
    "ServiceAnswer",
    "ServiceCall",
    "call_commit",
    "call_get",
    "call_list",
    "call_open",
    "call_revoke",
    "call_revoke_all",
    "read",
]

T = TypeVar("T")

_encode = msgspec.json.Encoder().encode
_is_id = re.compile(ID_PATTERN).fullmatch


class ServiceCall(msgspec.Struct, frozen=True):
    """A request to the service. `repeatable`: it may be sent twice, where it is not known to have arrived."""

    method: str
    path: str
    body: bytes = b""
    repeatable: bool = True
    kind: str = JSON

    def __repr__(self) -> str:
        # The body may hold a token, and a traceback's frames are sent to who collects errors.
        return f"ServiceCall({self.method} {self.path})"


def call_open(token: Token, shown: PresentedKey | ShownDevice | None) -> ServiceCall:
    """What `token` opens. With a proof it is never sent twice: that is good once."""
    if isinstance(shown, ShownDevice):
        asked, proof = OpenRequest(token=token.reveal(), device=shown), shown.signed
        return ServiceCall("POST", OPEN, _encode(asked), repeatable=proof is None)
    asked = OpenRequest(token=token.reveal(), presented=shown)
    return ServiceCall("POST", OPEN, _encode(asked), repeatable=shown is None or shown.proof is None)


def call_commit(request: CommitRequest) -> ServiceCall:
    """Write what `request` says. Never sent twice: increments would count twice."""
    return ServiceCall("POST", COMMIT, _encode(request), repeatable=False)


def call_get(id: str) -> ServiceCall | None:
    """One session by its id; None for what is no id."""
    return ServiceCall("GET", session_path(id)) if _is_id(id) else None


def call_list(user_id: str, after: str, limit: int) -> ServiceCall:
    """A page of the user's live sessions."""
    return ServiceCall("GET", user_path(user_id, after=after, limit=limit))


def call_revoke(id: str, reason: EndReason, by: str, address: str) -> ServiceCall | None:
    """End one session; None for what is no id."""
    _only_revoked(reason)
    # Sent twice, it would say that there was nothing to end.
    return ServiceCall("DELETE", session_path(id, **_asker(by, address)), repeatable=False) if _is_id(id) else None


def call_revoke_all(user_id: str, keep: str | None, reason: EndReason, by: str, address: str) -> ServiceCall:
    """End the user's sessions, but `keep`."""
    _only_revoked(reason)
    # What is no id names no session, so there is none to keep.
    kept = keep if keep and _is_id(keep) else None
    return ServiceCall("DELETE", user_path(user_id, keep=kept, **_asker(by, address)), repeatable=False)


def _asker(by: str, address: str) -> dict[str, str | None]:
    from sojourn.core.actor import APPLICATION, Actor  # here: most requests end nothing

    asks = Actor.named(by, address)
    return {"by": None if asks.by == APPLICATION else asks.by, "address": asks.address}


def _only_revoked(reason: EndReason) -> None:
    if reason != "revoked":
        raise ConfigurationError(f"reason={reason!r}: what ends through the service ends as 'revoked'. Leave it out.")


class ServiceAnswer(NamedTuple):
    """What the service answered."""

    status: int
    body: bytes


def read(kind: type[T], answer: ServiceAnswer, call: ServiceCall, address: Address) -> T:
    """The answer as a `kind`. Raises what the manager at the service raised."""
    status, body = answer
    if status != 200:
        raise _error(Problem.read(status, body), status, call, address)
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise StoreUnavailable(f"{address.name} answers, but not as a session service does.") from None


def _error(problem: Problem | None, status: int, call: ServiceCall, address: Address) -> SojournError:
    place = address.name
    if problem is not None:
        code, detail = problem.code, problem.detail
        if code in API_KEY_CODES:
            return ConfigurationError(
                f"The session service at {place} refuses the API key {address.key_id} ({code}): {detail}"
            )
        if code == BODY_TOO_LARGE and problem.limit is not None:
            return DataTooLarge(len(call.body), problem.limit)
        error = error_of(problem)
        if isinstance(error, StoreUnavailable):
            return StoreUnavailable(f"The session service at {place} has no store now. {detail}")
        if error is not None:
            return error
        if status < 500:
            return ConfigurationError(f"The session service at {place} does not take this request ({code}): {detail}")
    return StoreUnavailable(f"{place} answers {status}, which is not a session service's word.")
