"""Proof: a JWS with which a client shows, for one request, that it holds a private key (DPoP, RFC 9449). Pure."""

from __future__ import annotations

import hashlib
import hmac
import re
from functools import lru_cache
from importlib.util import find_spec
from typing import Annotated, Any, NamedTuple
from urllib.parse import unquote, urlsplit

import msgspec

from .errors import ConfigurationError, ProofRefused
from .extras import install
from .jws import encode, public_key, take_apart, thumbprint, verify

__all__ = [
    "CLOCKS_APART",
    "NONCE_LIFE",
    "Asked",
    "Proof",
    "check",
    "make_nonce",
    "nonce_age",
    "read",
    "require_cryptography",
    "seal",
]

NONCE_LIFE = 300
"""How long, in seconds, a nonce is good: for so long a proof that was made ahead may be used."""
CLOCKS_APART = 60
"""By how many seconds the clock of another process of this application may be ahead."""
IAT_WINDOW = 300

_PORTS = {"https": 443, "http": 80}
_passed_over = re.compile(r"^ |[\x00-\x1f]").search


class Asked(NamedTuple):
    """The request that a proof must be for: `path` is percent-decoded, as servers have it, and without a query."""

    method: str
    origin: str
    path: str


class Proof(msgspec.Struct, frozen=True):
    """A proof whose signature is good. `thumbprint` is its key's (RFC 7638); `id` names it among all proofs.

    `issued_at` is in Unix seconds, by the client's clock. `token_hash` is that of the token it goes with (`ath`).
    """

    thumbprint: str
    id: str
    method: str
    url: str
    issued_at: float
    nonce: str | None
    token_hash: str | None


class _Claims(msgspec.Struct, frozen=True):
    jti: Annotated[str, msgspec.Meta(min_length=1)]
    htm: str
    htu: str
    iat: float
    nonce: str | None = None
    ath: str | None = None


def read(text: str) -> Proof:
    """The proof in a DPoP header, its form, key and signature checked. Raises ProofRefused.

    Costs 0.1 ms of CPU, nearly all of it for the signature.
    """
    jws = take_apart(text, "dpop+jwt", ("ES256",))
    key = public_key(jws.head.get("jwk"), "ES256")
    verify(jws, key)
    return _claimed(jws.claims, thumbprint(key))


def check(
    proof: Proof,
    asked: Asked,
    now: int,
    *,
    thumbprint: str | None = None,
    token: str | None = None,
    nonce_key: bytes | None = None,
) -> float | None:
    """How old the nonce of `proof` is, in seconds, None where none is asked for. `now` is in Unix milliseconds.

    Raises ProofRefused where `proof` is not for this request.
    With a `thumbprint` only the proof of that key will do, with a `token` only one that was made for it, with a
    `nonce_key` only one with a nonce that was made of it lately. That it was not used before is not judged here.
    """
    if thumbprint is not None and proof.thumbprint != thumbprint:
        raise ProofRefused("proof-other-key")
    if proof.method != asked.method:
        raise ProofRefused("proof-method")
    if _place(proof.url) != (*_place(asked.origin)[:3], asked.path or "/"):
        raise ProofRefused("proof-url")
    if token is not None and not hmac.compare_digest((proof.token_hash or "").encode(), _hash(token)):
        raise ProofRefused("proof-token")
    age = None if nonce_key is None or proof.nonce is None else nonce_age(proof.nonce, nonce_key, now)
    if nonce_key is not None and (age is None or not -CLOCKS_APART <= age <= NONCE_LIFE):
        raise ProofRefused(
            "proof-without-nonce" if proof.nonce is None else "proof-stale-nonce", make_nonce(nonce_key, now)
        )
    if abs(now / 1000 - proof.issued_at) > IAT_WINDOW:
        raise ProofRefused("proof-time", make_nonce(nonce_key, now))
    return age


def make_nonce(key: bytes | None, now: int) -> str:
    """A nonce that nobody without `key` can make, good from `now` on: the server's time in seconds, and its seal.

    Without a key it is the time alone, by which a client whose clock is wrong can set it.
    """
    at = str(now // 1000)
    return at if key is None else f"{at}-{seal(key, at)}"


def nonce_age(nonce: str, key: bytes, now: int) -> float | None:
    """How many seconds ago `nonce` was made of `key`; None where it was not."""
    at, _, sealed = nonce.partition("-")
    if not (at.isascii() and at.isdigit() and len(at) < 16 and sealed.isascii()):
        return None
    return now / 1000 - int(at) if hmac.compare_digest(sealed, _kept_seal(key, at)) else None


def seal(key: bytes, said: str) -> str:
    """What nobody without `key` can put beside `said`."""
    return encode(hmac.digest(key, said.encode(), "sha256")[:16])


# A session's requests show the same nonce for minutes.
_kept_seal = lru_cache(4096)(seal)


def require_cryptography() -> None:
    """Raise ConfigurationError where no signature can be verified."""
    if find_spec("cryptography") is None:
        raise ConfigurationError(f"To bind sessions to keys takes the extra bound: {install('bound')}.")


def _claimed(claims: dict[str, Any], thumbprint: str) -> Proof:
    try:
        said = msgspec.convert(claims, _Claims)
    except msgspec.ValidationError:
        raise ProofRefused("proof-malformed") from None
    # Of one length, however long the client's own is.
    named = hashlib.sha256(f"dpop {thumbprint} {said.jti}".encode()).hexdigest()[:32]
    return Proof(thumbprint, named, said.htm, said.htu, said.iat, said.nonce, said.ath)


@lru_cache(256)
def _place(url: str) -> tuple[str, str, int | None, str]:
    """What a URL names, however it is spelled (RFC 3986, section 6.2), without its query and fragment."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ProofRefused("proof-url") from None
    # Of control characters urlsplit passes some over.
    if "@" in parts.netloc or _passed_over(url):
        raise ProofRefused("proof-url")
    if port is None:
        port = _PORTS.get(parts.scheme)
    return parts.scheme, parts.hostname or "", port, unquote(parts.path) or "/"


def _hash(token: str) -> bytes:
    return encode(hashlib.sha256(token.encode()).digest()).encode()
