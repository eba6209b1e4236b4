"""What happened to sessions, as values for the `on_event` callback. No event holds a token."""

from __future__ import annotations

from typing import Literal

import msgspec

from .errors import EndReason
from .record import Bound

__all__ = [
    "Adopted",
    "CleanedUp",
    "Ended",
    "Event",
    "KeyRegistered",
    "LoggedIn",
    "Merged",
    "RefreshSkipped",
    "RevokedAll",
    "Rotated",
    "RotationStalled",
    "SessionCreated",
    "TokenReused",
    "UnknownToken",
    "UnprovedToken",
]


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened to a session. `at` is in Unix milliseconds, by the manager's clock.

    `id` is the session's public name, None where no session is known; `user_id` who is logged in in it. Of what changes
    something `by` says who did it: "user", the session's own; "session:" and the id of another session;
    "application", or "application:" and a name; "key:" and the id of an API key of the service; "cli:" and the
    operating system's user; "policy" for what was judged, a timeout, a limit or a reused token; "cleanup". `address`
    is where they came from, as much of it as the policy's `keep_client` lets be kept; "" where it is not known.
    """

    at: int
    id: str | None = None
    user_id: str | None = None
    by: str | None = None
    address: str = ""


class SessionCreated(Event, frozen=True, kw_only=True):
    """A session was made: anonymous, by a log-in (a LoggedIn follows), or of another layer's (an Adopted follows).

    `bound` is where the key is that its token, or its renewal, needs; None where it needs none.
    """

    bound: Bound | None = None


class LoggedIn(Event, frozen=True, kw_only=True):
    """A user was tied to a new session; `replaced` is the id of the one before.

    `level` and `methods` are what the log-in proved: a step-up is one of the same user's, with a higher level.
    """

    replaced: str | None = None
    level: str | None = None
    methods: tuple[str, ...] = ()


class Adopted(Event, frozen=True, kw_only=True):
    """Another layer's session was taken over, by sojourn.adopt. Where these cease, adoption can be ended."""


class Rotated(Event, frozen=True, kw_only=True):
    """A browser showed its next secret, which is the current one from now on."""


class Ended(Event, frozen=True, kw_only=True):
    """A session ended. A timeout is noticed, and told, when the token is next shown."""

    reason: EndReason


class RevokedAll(Event, frozen=True, kw_only=True):
    """All sessions of a user, or with no `user_id` of everybody, were asked to end; `ended` many did, but `kept`.

    An Ended of each came before. From `at` on, no session is made that began before it.
    """

    ended: int
    kept: str | None = None


class CleanedUp(Event, frozen=True, kw_only=True):
    """Rows of sessions that were over for long were deleted: `deleted` many, which is never 0."""

    deleted: int


class Merged(Event, frozen=True, kw_only=True):
    """Two requests changed the same `keys` at once. Both changes were kept; of `conflicts`, the later one."""

    keys: tuple[str, ...]
    conflicts: tuple[str, ...] = ()


class TokenReused(Event, frozen=True, kw_only=True):
    """A secret of the session that is over was shown: two hold this session. It was ended."""


class RotationStalled(Event, frozen=True, kw_only=True):
    """Six new secrets and an interval later, the old one is still shown: somebody takes them away. It was ended.

    Or the client keeps no cookies: give such a one a policy with `rotate_interval=None`.
    """


class UnknownToken(Event, frozen=True, kw_only=True):
    """A token was refused and nothing created for it. Many from one source are somebody guessing (OWASP).

    The `cause` is that it has no token's shape, that its id or its secret is not known, or that two live
    ones were shown.
    """

    cause: Literal["malformed", "unknown", "wrong_secret", "ambiguous"]


class UnprovedToken(Event, frozen=True, kw_only=True):
    """The token of a session that is bound to a key was shown without a good proof, and refused. So was a renewed one.

    `flaw` is the code of the problem that it was answered with. Somebody else may hold the token. A proof that
    only lacked a fresh nonce is not told of: honest clients send such. Nothing ended, but for "proof-signature" where
    the key is the browser's own (DBSC): somebody signed our challenge with another, and an Ended follows.
    """

    flaw: str


class KeyRegistered(Event, frozen=True, kw_only=True):
    """A browser registered a key of its own for its session, which from then on opens with that alone (DBSC)."""


class RefreshSkipped(Event, frozen=True, kw_only=True):
    """The browser of a bound session could not renew its bound cookie, and says why (DBSC). Nothing ended.

    The `cause` is its own word: it had signed as often as it may, or this server failed or could not be reached.
    """

    cause: Literal["quota_exceeded", "server_error", "unreachable"]
