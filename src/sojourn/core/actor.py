"""Actor: who did what an event tells of, of a closed set, and from which address. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from msgspec.structs import replace

from .codec import is_unicode
from .errors import ConfigurationError, EndReason
from .events import (
    Adopted,
    Ended,
    Event,
    KeyRegistered,
    LoggedIn,
    RevokedAll,
    RotationStalled,
    SessionCreated,
    TokenReused,
)
from .token import ID_PATTERN

__all__ = ["ADDRESS_PATTERN", "APPLICATION", "BY_PATTERN", "POLICY", "USER", "Actor", "attributed"]

USER: Final = "user"
APPLICATION: Final = "application"
POLICY: Final = "policy"

# Of an address, or of a proxy's own word for it.
ADDRESS_PATTERN: Final = "^[!-~]{0,100}$"

_NAME = r"[^\x00-\x20\x7f][^\x00-\x1f\x7f]{0,199}"
BY_PATTERN: Final = f"^(user|application(:{_NAME})?|session:{ID_PATTERN}|key:[0-9a-f]{{8}}|cli:{_NAME})$"
_may_be_named = re.compile(BY_PATTERN).fullmatch

_BY_POLICY: frozenset[EndReason] = frozenset({"idle_timeout", "absolute_timeout", "token_reuse", "limit"})
_BY_WHO_ASKS = (LoggedIn, SessionCreated, Adopted, KeyRegistered)


class Actor(NamedTuple):
    """Who, as `Event.by` spells it, and the address that they came from; "" where it is not known."""

    by: str
    address: str = ""

    @classmethod
    def named(cls, by: str, address: str) -> Actor:
        """One whom a caller names. Raises ConfigurationError for what spells nobody, and for what only we are."""
        if isinstance(by, str) and _may_be_named(by) and is_unicode(by):
            return cls(by, address)
        raise ConfigurationError(
            f"by={by!r}: give 'user' for the session's own user, 'session:' and the id of the session that asks, "
            "'application' or 'application:' and a name, 'cli:' and a name, or 'key:' and an API key's id."
        )

    def ends(self, ids: Iterable[str], user_id: str | None, reason: EndReason, now: int) -> list[Event]:
        """What this one ended. What had run out, nobody did."""
        by = POLICY if reason in _BY_POLICY else self.by
        return [Ended(at=now, id=id, user_id=user_id, reason=reason, by=by, address=self.address) for id in ids]

    def ends_all(self, ids: Sequence[str], user_id: str, reason: EndReason, now: int, kept: str | None) -> list[Event]:
        """What this one ended of a user's, and that it was all."""
        return [*self.ends(ids, user_id, reason, now), self.revoked_all(len(ids), now, user_id, kept)]

    def revoked_all(self, ended: int, now: int, user_id: str | None = None, kept: str | None = None) -> Event:
        """That this one ended all of a user's, or everybody's."""
        return RevokedAll(at=now, user_id=user_id, ended=ended, kept=kept, by=self.by, address=self.address)


def attributed(events: Iterable[Event], address: str) -> list[Event]:
    """What a request did or met, each with who did it, and the request's address."""
    return [replace(event, by=_actor_of(event), address=address) for event in events]


def _actor_of(event: Event) -> str | None:
    if isinstance(event, Ended):
        return POLICY if event.reason in _BY_POLICY else USER
    if isinstance(event, (TokenReused, RotationStalled)):
        return POLICY
    return USER if isinstance(event, _BY_WHO_ASKS) else None
