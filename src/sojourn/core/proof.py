"""Proof: a JWS with which a client shows, for one request, that it holds a private key (DPoP, RFC 9449). Pure.

Libraries check the signature; what else a proof must be is checked here, and nothing of it is left to them. The
signature is verified by `cryptography`, from the extra `bound`, which is imported at the first proof.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from functools import lru_cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple
from urllib.parse import unquote, urlsplit

import msgspec

from .errors import ConfigurationError, ProofRefused
from .extras import install

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

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
]

NONCE_LIFE = 300
"""How long, in seconds, a nonce is good: for so long a proof that was made ahead may be used."""
CLOCKS_APART = 60
"""By how many seconds the clock of another process of this application may be ahead."""
IAT_WINDOW = 300
MAX_PROOF = 4096

_PART = re.compile("[A-Za-z0-9_-]+").fullmatch
# Of all kinds of keys (RFC 7518, section 6).
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_PORTS = {"https": 443, "http": 80}


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
    if len(text) > MAX_PROOF:
        raise ProofRefused("proof-too-large")
    if "," in text or ";" in text:
        # As servers join headers that came twice: no proof has these in it.
        raise ProofRefused("proof-repeated")
    parts = text.split(".")
    if len(parts) != 3:
        raise ProofRefused("proof-malformed")
    head, claims = _object(parts[0]), _object(parts[1])
    if head.get("typ") != "dpop+jwt":
        raise ProofRefused("proof-type")
    if head.get("alg") != "ES256":
        raise ProofRefused("proof-algorithm")
    if "crit" in head:
        # Whoever does not know what is critical must refuse it (RFC 7515, section 4.1.11).
        raise ProofRefused("proof-malformed")
    x, y = _coordinates(head.get("jwk"))
    _verify(x, y, f"{parts[0]}.{parts[1]}".encode(), _bytes(parts[2]))
    return _claimed(claims, thumbprint(x, y))


def check(
    proof: Proof,
    asked: Asked,
    now: int,
    *,
    thumbprint: str | None = None,
    token: str | None = None,
    nonce_key: bytes | None = None,
) -> None:
    """Raise ProofRefused where `proof` is not for this request. `now` is in Unix milliseconds.

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
    if nonce_key is not None:
        age = None if proof.nonce is None else nonce_age(proof.nonce, nonce_key, now)
        if age is None or not -CLOCKS_APART <= age <= NONCE_LIFE:
            raise ProofRefused(
                "proof-without-nonce" if proof.nonce is None else "proof-stale-nonce", make_nonce(nonce_key, now)
            )
    if abs(now / 1000 - proof.issued_at) > IAT_WINDOW:
        raise ProofRefused("proof-time", make_nonce(nonce_key, now))


def make_nonce(key: bytes | None, now: int) -> str:
    """A nonce that nobody without `key` can make, good from `now` on: the server's time in seconds, and its seal.

    Without a key it is the time alone, by which a client whose clock is wrong can set it.
    """
    at = str(now // 1000)
    return at if key is None else f"{at}-{_seal(key, at)}"


def nonce_age(nonce: str, key: bytes, now: int) -> float | None:
    """How many seconds ago `nonce` was made of `key`; None where it was not."""
    at, _, seal = nonce.partition("-")
    if not (at.isascii() and at.isdigit() and len(at) < 16 and seal.isascii()):
        return None
    return now / 1000 - int(at) if hmac.compare_digest(seal, _seal(key, at)) else None


def thumbprint(x: str, y: str) -> str:
    """The name of a P-256 key (RFC 7638)."""
    return _encode(hashlib.sha256(f'{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}'.encode()).digest())


def require_cryptography() -> None:
    """Raise ConfigurationError where no signature can be verified."""
    if find_spec("cryptography") is None:
        raise ConfigurationError(f"To bind sessions to keys takes the extra bound: {install('bound')}.")


@lru_cache(1024)
def _key(x: str, y: str) -> EllipticCurvePublicKey:
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicNumbers

    return EllipticCurvePublicNumbers(int.from_bytes(_bytes(x)), int.from_bytes(_bytes(y)), SECP256R1()).public_key()


def _verify(x: str, y: str, signed: bytes, signature: bytes) -> None:
    try:
        key = _key(x, y)
    except ValueError:
        raise ProofRefused("proof-key") from None  # not on the curve
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
    from cryptography.hazmat.primitives.hashes import SHA256

    if len(signature) != 64:
        raise ProofRefused("proof-signature")
    try:
        pair = encode_dss_signature(int.from_bytes(signature[:32]), int.from_bytes(signature[32:]))
        key.verify(pair, signed, ECDSA(SHA256()))
    except InvalidSignature:
        raise ProofRefused("proof-signature") from None


def _coordinates(jwk: Any) -> tuple[str, str]:
    if not isinstance(jwk, dict):
        raise ProofRefused("proof-key")
    if not _PRIVATE.isdisjoint(jwk):
        raise ProofRefused("proof-private-key")
    x, y = jwk.get("x"), jwk.get("y")
    if (jwk.get("kty"), jwk.get("crv")) != ("EC", "P-256") or not isinstance(x, str) or not isinstance(y, str):
        raise ProofRefused("proof-key")
    for number in (x, y):
        # One key has one name: no other spelling of the same number.
        if len(number) != 43 or not _PART(number) or _encode(_bytes(number)) != number:
            raise ProofRefused("proof-key")
    return x, y


def _claimed(claims: dict[str, Any], thumbprint: str) -> Proof:
    try:
        said = msgspec.convert(claims, _Claims)
    except msgspec.ValidationError:
        raise ProofRefused("proof-malformed") from None
    # Of one length, however long the client's own is.
    named = hashlib.sha256(f"dpop {thumbprint} {said.jti}".encode()).hexdigest()[:32]
    return Proof(thumbprint, named, said.htm, said.htu, said.iat, said.nonce, said.ath)


def _place(url: str) -> tuple[str, str, int | None, str]:
    """What a URL names, however it is spelled (RFC 3986, section 6.2), without its query and fragment."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ProofRefused("proof-url") from None
    if "@" in parts.netloc:
        raise ProofRefused("proof-url")
    if port is None:
        port = _PORTS.get(parts.scheme)
    return parts.scheme, parts.hostname or "", port, unquote(parts.path) or "/"


def _object(part: str) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(_bytes(part))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ProofRefused("proof-malformed") from None
    if not isinstance(found, dict):
        raise ProofRefused("proof-malformed")
    return found


def _bytes(part: str) -> bytes:
    if not _PART(part) or len(part) % 4 == 1:
        raise ProofRefused("proof-malformed")
    return urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _hash(token: str) -> bytes:
    return _encode(hashlib.sha256(token.encode()).digest()).encode()


def _encode(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def _seal(key: bytes, at: str) -> str:
    return _encode(hmac.digest(key, at.encode(), "sha256")[:16])
