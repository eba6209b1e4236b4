"""DBSC: sessions in cookies, bound to a key in the browser's hardware (W3C Device Bound Session Credentials). Pure.

The browser registers a key after a log-in, and from then on the session's cookie opens nothing without a second one,
the bound cookie, which lasts minutes. For a new one the browser signs a challenge, by itself, before it sends what it
was about to send. What the server gives is made of the session's `nonce_key`, so that nothing of it need be kept.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import msgspec

from .errors import Flaw, ProofRefused
from .jws import JWS, public_key, take_apart, verify
from .proof import CLOCKS_APART, NONCE_LIFE, Asked, seal
from .record import RENEWAL_KEY, Record
from .token import Random

if TYPE_CHECKING:
    from .place import Place
    from .policy import Policy

__all__ = [
    "ALGORITHMS",
    "ATTRIBUTES",
    "CHALLENGE_LIFE",
    "COOKIE_LIFE",
    "Action",
    "Asking",
    "Cookies",
    "Shown",
    "Told",
    "again",
    "good_until",
    "name",
    "refreshed",
    "registered",
    "skipped_for",
    "tell",
]

COOKIE_LIFE = 600
"""How long, in seconds, a browser keeps a bound cookie: Chromium signs six times in nine minutes, and no more."""
# A request that was sent just before the cookie's end may come late.
LATE = 120
CHALLENGE_LIFE = 900
"""How long, in seconds, a challenge is good: one comes with each bound cookie, and is signed for the next."""

ATTRIBUTES: Final = "Path=/; Secure; HttpOnly; SameSite=Lax"
ALGORITHMS = ("ES256", "RS256")

Action = Literal["register", "refresh"]
Skipped = Literal["quota_exceeded", "server_error", "unreachable"]

_skipped = re.compile("(quota_exceeded|server_error|unreachable)(?:;|$)").match
_said = re.compile(r"([0-9]{1,15})\.[0-9a-f]{12}").fullmatch


class Shown(msgspec.Struct, frozen=True):
    """What a request shows beside its token."""

    def unlocks(self, record: Record, policy: Policy, now: int) -> bool:
        """Whether the session is known, without a proof, to need no other: what shows False is judged by `prove`."""
        return False


class Cookies(Shown, frozen=True):
    """What a request that has its token in a cookie shows beside it: bound cookies, each as what it is named for=value.

    `skipped` is why the browser says that it renewed none. `proof` is the request's DPoP header, which must be for what
    was `asked`. `reads`: it asks for data, and not for a page or a part of one.
    """

    bound: Sequence[str] = ()
    skipped: Skipped | None = None
    proof: str | None = None
    asked: Asked | None = None
    reads: bool = False

    def unlocks(self, record: Record, policy: Policy, now: int) -> bool:
        """As Shown's. Nearly all requests: what they show is a bound cookie, or nothing, as their session needs."""
        if self.proof is not None or self.skipped is not None or record.key_thumbprint is not None:
            return False
        bound_to = record.secrets.key
        if not bound_to:
            return policy.binding != "require"
        if not bound_to.startswith(RENEWAL_KEY):
            for cookie in self.bound:
                if now <= good_until(cookie, record.nonce_key):
                    return True
        return False


class Asking(Shown, frozen=True):
    """A request to register a key, or for a new bound cookie. `proof` is its JWS, `of` what it says it is named.

    `url` is what it was sent to, without a query, and `place` where that is.
    """

    action: Action
    proof: str | None
    of: str
    url: str
    place: Place


class Told(NamedTuple):
    """What an answer tells the browser: a bound cookie's value, and the challenge to sign for the next.

    `instruction` is the answer's body; without one, the browser may register a key, and signs the challenge for that.
    `key` is the one to which the session must be bound before it is told any of this; "" where it is, or need not be.
    """

    of: str
    cookie: str
    challenge: str
    instruction: bytes = b""
    key: str = ""


@lru_cache(4096)
def name(key: bytes) -> str:
    """What a session's bound cookie is named for, and the browser's own record of it, of the session's `nonce_key`.

    Of each log-in's session another: what is on its way for the one before does it no harm.
    """
    return seal(key, "dbsc name")[:12]


def tell(key: bytes, now: int, random: Random, place: Place | None = None) -> Told:
    """A fresh bound cookie and challenge for the session of this `nonce_key`. `now` is in Unix milliseconds.

    Without a `place`, it is for a browser that has not registered a key yet.
    """
    until = str(now // 1000 + COOKIE_LIFE)
    cookie = f"{until}.{seal(key, f'dbsc cookie {until}')}"
    of = name(key)
    if place is None:
        return Told(of, cookie, _challenge(key, now, random, "register"))
    return Told(of, cookie, _challenge(key, now, random, "refresh"), place.instruction(of))


def skipped_for(said: str | None) -> Skipped | None:
    """Why the browser renewed no bound cookie, by its header Secure-Session-Skipped; None where it does not say."""
    match = _skipped(said) if said else None
    return match[1] if match else None  # type: ignore[return-value]  # one of them


@lru_cache(4096)
def good_until(cookie: str, nonce_key: str) -> int:
    """Until when a bound cookie is good, in Unix milliseconds; 0 where it is none of the session of this `nonce_key`.

    `cookie` is one that Cookies has. Kept, as all requests of ten minutes show the same.
    """
    of, _, value = cookie.partition("=")
    until, _, sealed = value.partition(".")
    key = bytes.fromhex(nonce_key)
    # Without a key anybody could make one.
    if not key or of != name(key) or not (until.isascii() and until.isdigit() and len(until) < 16 and sealed.isascii()):
        return 0
    is_ours = hmac.compare_digest(sealed, seal(key, f"dbsc cookie {until}"))
    return (int(until) + LATE) * 1000 if is_ours else 0


def registered(asking: Asking, key: bytes, now: int) -> str:
    """The key that a registration is for, as core.jws spells it. Raises ProofRefused.

    Only the answer to a log-in has a challenge for it, for five minutes: whoever copies the cookie has none.
    """
    if asking.proof is None:
        raise ProofRefused("proof-required")
    jws = take_apart(asking.proof, "dbsc+jwt", ALGORITHMS)
    found = public_key(jws.head.get("jwk"), jws.algorithm)
    _check_url(jws, asking)
    # First what costs little: whoever sends thousands has no challenge.
    if not _is_fresh(_signed(jws), key, now, "register", NONCE_LIFE):
        raise ProofRefused("proof-stale-nonce")
    verify(jws, found)
    return found


def refreshed(asking: Asking, registered: str, key: bytes, now: int, random: Random) -> tuple[bool, str]:
    """Whether the proof is by the key that was `registered`, and what names the challenge that it used up.

    Raises ProofRefused: with a challenge, where the browser is to sign anew. A wrong signature under a challenge of
    ours is somebody's who has the cookie and no key.
    """
    if asking.proof is None:
        raise again("proof-required", key, now, random)
    jws = take_apart(asking.proof, "dbsc+jwt", ALGORITHMS)
    if jws.algorithm != registered.partition(" ")[0]:
        raise ProofRefused("proof-algorithm")
    if "jwk" in jws.head and public_key(jws.head["jwk"], jws.algorithm) != registered:
        raise ProofRefused("proof-other-key")
    _check_url(jws, asking)
    challenge = _signed(jws)
    if not _is_fresh(challenge, key, now, "refresh", CHALLENGE_LIFE):
        raise again("proof-stale-nonce", key, now, random)
    try:
        verify(jws, registered)
    except ProofRefused:
        return False, ""
    return True, hashlib.sha256(f"dbsc {challenge}".encode()).hexdigest()[:32]


def again(flaw: Flaw, key: bytes, now: int, random: Random) -> ProofRefused:
    """A refusal after which the browser signs anew."""
    return ProofRefused(flaw, _challenge(key, now, random, "refresh"), device=name(key))


def _challenge(key: bytes, now: int, random: Random, action: Action) -> str:
    # Each is another, for it is good once.
    said = f"{now // 1000}.{random(6).hex()}"
    return f"{said}.{seal(key, f'dbsc {action} {said}')}"


def _is_fresh(challenge: str, key: bytes, now: int, action: Action, life: int) -> bool:
    said, _, sealed = challenge.rpartition(".")
    match = _said(said)
    if match is None or not sealed.isascii() or not hmac.compare_digest(sealed, seal(key, f"dbsc {action} {said}")):
        return False
    return -CLOCKS_APART <= now / 1000 - int(match[1]) <= life


def _signed(jws: JWS) -> str:
    challenge = jws.claims.get("jti")
    if not isinstance(challenge, str):
        raise ProofRefused("proof-malformed")
    return challenge


def _check_url(jws: JWS, asking: Asking) -> None:
    # Chromium says it with a feature that is off by default.
    if jws.claims.get("aud", asking.url) != asking.url:
        raise ProofRefused("proof-url")
