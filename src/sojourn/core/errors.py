"""Everything that Sojourn raises.

SojournError
├── ConfigurationError            a setting or the wiring is wrong
├── InvalidData                   a value that JSON cannot hold
├── DataTooLarge                  the session's data would pass the policy's limit
├── SessionEnded                  the session ended while the request was at work
├── SessionConflict               two requests changed one value and the policy forbids to choose
├── SessionLimitReached           the user has as many sessions as the policy allows
├── SessionRefused                the application's own limit allows no session now
├── SessionCommitted              changed after its commit, where the change could not be kept
├── LoginRequired                 nobody is logged in here
├── ReauthenticationRequired      somebody is, but what was proved is not enough, or too long ago
├── ProofRefused                  the session is bound to a key, and the request does not prove it
├── SessionExists                 a store was asked to create an id that it has
└── StoreUnavailable              the store did not answer
    └── UnreadableRecord          what it holds under an id is not what was written there

No message holds a token or a value from a session.
"""

from __future__ import annotations

from typing import Literal

__all__ = [
    "ConfigurationError",
    "DataTooLarge",
    "EndReason",
    "InvalidData",
    "LoginRequired",
    "ProofRefused",
    "ReauthenticationRequired",
    "SessionCommitted",
    "SessionConflict",
    "SessionEnded",
    "SessionExists",
    "SessionLimitReached",
    "SessionRefused",
    "SojournError",
    "StoreUnavailable",
    "UnreadableRecord",
]

EndReason = Literal["logout", "idle_timeout", "absolute_timeout", "revoked", "replaced", "token_reuse", "limit"]
"""Why a session ended: a closed set, the same in the store, the JSON, the CLI and the browser."""

Flaw = Literal[
    "proof-required",
    "proof-repeated",
    "proof-too-large",
    "proof-malformed",
    "proof-type",
    "proof-algorithm",
    "proof-key",
    "proof-private-key",
    "proof-signature",
    "proof-other-key",
    "proof-method",
    "proof-url",
    "proof-token",
    "proof-without-nonce",
    "proof-stale-nonce",
    "proof-time",
    "proof-replayed",
]
"""What is wrong with the proof of a key: the code of the problem that a request is answered with."""

_FLAWS: dict[Flaw, str] = {
    "proof-required": "This session opens with a proof of its browser's key: in Authorization: DPoP and DPoP, or by "
    "the cookie that the browser renews by itself.",
    "proof-repeated": "The request has more than one proof. Send one.",
    "proof-too-large": "A proof may have 4,096 characters.",
    "proof-malformed": "The proof is no signed JWT with jti and, for DPoP, htm, htu and iat (RFC 9449, section 4.2).",
    "proof-type": "The proof's typ must be dpop+jwt in a DPoP header, dbsc+jwt in Secure-Session-Response.",
    "proof-algorithm": "The proof's alg must be ES256; for DBSC it may be RS256, if the registered key's is.",
    "proof-key": "The proof's jwk must be a public key on the curve P-256; for DBSC, or one of RSA.",
    "proof-private-key": "The proof's jwk holds a private key. It is known to others now: make a new one.",
    "proof-signature": "The proof's signature is not that of the key in it.",
    "proof-other-key": "The proof is of another key than the one that this session is bound to.",
    "proof-method": "The proof is for another method (htm).",
    "proof-url": "The proof is for another URL (htu, aud): it must name this server's public origin, and the path.",
    "proof-token": "The proof is for another token (ath).",
    "proof-without-nonce": "The proof has no nonce. Sign another, with the one in DPoP-Nonce.",
    "proof-stale-nonce": "The proof's nonce is too old, or another session's. Sign another, with that of the answer.",
    "proof-time": "The proof was not made just now (iat). DPoP-Nonce begins with the server's time, in seconds.",
    "proof-replayed": "This proof was used before. Sign another for each request.",
}


class SojournError(Exception):
    """The root of every error that Sojourn raises on purpose."""


class ConfigurationError(SojournError):
    """A setting or the wiring is wrong; the message says which, and what to write instead."""


class InvalidData(SojournError):
    """A value cannot be kept as JSON without changing it, so it was refused; nothing was written.

    The message says where, and what to write instead.
    """


class DataTooLarge(SojournError):
    """The session's data would be larger than the policy allows; nothing was written.

    `size` and `limit` are bytes of encoded JSON, keys included.
    """

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(
            f"The session's data would be {size:,} bytes, over the policy's limit of {limit:,}. Nothing was "
            "written. Keep large things in your database and their key in the session."
        )
        self.size = size
        self.limit = limit


class SessionEnded(SojournError):
    """The session ended before this request could write to it; nothing was written.

    `reason` is None where the store no longer knows the session.
    """

    def __init__(self, reason: EndReason | None) -> None:
        why = f" ({reason})" if reason else ""
        super().__init__(f"The session ended{why} while this request was at work. Its changes were not kept.")
        self.reason = reason


class SessionConflict(SojournError):
    """Another request changed the same values, and the policy's `on_conflict` is "raise"; nothing was written.

    `keys` are those of the values. Also raised where 200 trials in a row met a newer change.
    """

    def __init__(self, keys: tuple[str, ...]) -> None:
        named = ", ".join(repr(key) for key in keys)
        super().__init__(
            f"Another request changed {named} at the same time. Nothing was written: read the session again and retry."
        )
        self.keys = keys


class SessionLimitReached(SojournError):
    """The user has as many live sessions as the policy allows, and `on_limit` is "refuse"; nothing was written.

    `limit` is how many that are.
    """

    def __init__(self, limit: int) -> None:
        super().__init__(f"This user already has {limit} sessions, the most that are allowed. End one of them first.")
        self.limit = limit


class SessionRefused(SojournError):
    """No session is made for this client now: `before_create` said so. `retry_after` is in seconds."""

    def __init__(self, retry_after: int = 60) -> None:
        super().__init__(f"Too many sessions were begun from here. Try again in {retry_after} seconds.")
        self.retry_after = retry_after


class SessionCommitted(SojournError):
    """The session was changed after its commit, in a streaming body or a background task.

    The response's headers were sent by then. Make the change before the response starts.
    """


class LoginRequired(SojournError):
    """Nobody is logged in in this session. `reason` is why it ended, where it has; else None."""

    def __init__(self, reason: EndReason | None = None) -> None:
        super().__init__("This needs somebody who is logged in." + (f" The session ended: {reason}." if reason else ""))
        self.reason = reason


class ReauthenticationRequired(SojournError):
    """What was proved at the log-in is not enough for what is asked, or too long ago (ASVS 7.5.1, 7.5.3).

    `max_age` is in seconds, `level` the one that is needed; `action` is what wants a proof of its own. Those that play
    no part are None. `nonce`: a proof of the session's key that holds it is enough, where the log-in would have been.
    """

    def __init__(
        self,
        max_age: float | None = None,
        level: str | None = None,
        action: str | None = None,
        *,
        nonce: str | None = None,
    ) -> None:
        if action is not None:
            told = f"This needs a fresh proof of who you are, for {action!r} alone. Give it, then retry."
        else:
            at = f" of level {level}" if level is not None else ""
            when = f" in the last {max_age:g} seconds" if max_age is not None else ""
            told = f"This needs a log-in{at}{when}. Log in again, then retry."
        super().__init__(told)
        self.max_age = max_age
        self.level = level
        self.action = action
        self.nonce = nonce


class ProofRefused(SojournError):
    """The session is bound to its browser's key, and the request does not prove that it has it; nothing was done.

    `flaw` is what is wrong with the proof. `nonce`, where there is one, belongs into the next. `device` is None for a
    script's request; for a cookie's it is what the browser knows its own session as, if that is to sign anew, or "".
    `told` are then headers for it.
    """

    def __init__(self, flaw: Flaw, nonce: str | None = None, *, device: str | None = None) -> None:
        super().__init__(_FLAWS[flaw])
        self.flaw: Flaw = flaw
        self.nonce = nonce
        self.device = device
        self.told: tuple[tuple[str, str], ...] = ()


class SessionExists(SojournError):
    """A store was asked to create a session under an id that it holds already; nothing was written."""

    def __init__(self) -> None:
        super().__init__("A session of this id exists already. Nothing was written.")


class StoreUnavailable(SojournError):
    """The store could not be reached or did not answer in time; the driver's error is the cause.

    A write may then have been made or not.
    """


class UnreadableRecord(StoreUnavailable):
    """What the store holds under the id is not what was written there. `manager.revoke(id)` deletes it."""

    def __init__(self, id: str) -> None:
        super().__init__(
            f"What the store holds of session {id} is not what was written there. `sojourn revoke {id}` deletes it."
        )
        self.id = id
