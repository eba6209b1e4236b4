"""JWS: a signed object in its compact form (RFC 7515), and the public keys that it may be signed with (RFC 7517). Pure.

Libraries check the signature; what else is to be so is checked here, and nothing of it is left to them. The signature
is verified by `cryptography`, from the extra `bound`, which is imported at the first one.
"""

from __future__ import annotations

import hashlib
import re
from binascii import a2b_base64, b2a_base64
from collections.abc import Collection
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from .errors import Flaw, ProofRefused

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

__all__ = ["JWS", "encode", "public_key", "take_apart", "thumbprint", "verify"]

MAX_LENGTH = 4096

_TO_URL, _FROM_URL = bytes.maketrans(b"+/", b"-_"), str.maketrans("-_", "+/")
_PART = re.compile("[A-Za-z0-9_-]+").fullmatch
# Of all kinds of keys (RFC 7518, section 6).
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
# The bytes of the moduli that are long enough (NIST SP 800-131A), and short enough to be verified in no time.
_MODULUS = range(256, 513)


class JWS(NamedTuple):
    """A JWS, its signature not yet verified."""

    head: dict[str, Any]
    claims: dict[str, Any]
    signed: bytes
    signature: bytes

    @property
    def algorithm(self) -> str:
        """One of those that `take_apart` was given."""
        return str(self.head["alg"])


def take_apart(text: str, kind: str, algorithms: Collection[str]) -> JWS:
    """The JWS in a header, where its `typ` is `kind` and its `alg` one of these. Raises ProofRefused."""
    if len(text) > MAX_LENGTH:
        raise ProofRefused("proof-too-large")
    if "," in text or ";" in text:
        # As servers join headers that came twice: no proof has these in it.
        raise ProofRefused("proof-repeated")
    parts = text.split(".")
    if len(parts) != 3:
        raise ProofRefused("proof-malformed")
    head, claims = _head(parts[0]), _object(parts[1])
    if head.get("typ") != kind:
        raise ProofRefused("proof-type")
    if head.get("alg") not in algorithms:
        raise ProofRefused("proof-algorithm")
    if "crit" in head:
        # Whoever does not know what is critical must refuse it (RFC 7515, section 4.1.11).
        raise ProofRefused("proof-malformed")
    return JWS(head, claims, f"{parts[0]}.{parts[1]}".encode(), _bytes(parts[2], "proof-malformed"))


def public_key(jwk: Any, algorithm: str) -> str:
    """The key of a JWK for ES256 or RS256, as one text that names it: no other spelling is taken. Raises ProofRefused.

    It is the algorithm and the key's two numbers, as the JWK has them.
    """
    if not isinstance(jwk, dict):
        raise ProofRefused("proof-key")
    if not _PRIVATE.isdisjoint(jwk):
        raise ProofRefused("proof-private-key")
    kind, curve, first, second = ("EC", "P-256", "x", "y") if algorithm == "ES256" else ("RSA", None, "n", "e")
    one, other = jwk.get(first), jwk.get(second)
    if (jwk.get("kty"), jwk.get("crv")) != (kind, curve) or not isinstance(one, str) or not isinstance(other, str):
        raise ProofRefused("proof-key")
    return _spelled(algorithm, one, other)


@lru_cache(1024)
def _spelled(algorithm: str, one: str, other: str) -> str:
    numbers = [_bytes(number, "proof-key") for number in (one, other)]
    if algorithm == "ES256":
        is_right = [len(number) for number in numbers] == [32, 32]
    else:
        # No other exponent is made, and a long one would take its time.
        is_right = len(numbers[0]) in _MODULUS and numbers[0][0] > 0 and other == "AQAB"
    if not is_right or [encode(number) for number in numbers] != [one, other]:
        raise ProofRefused("proof-key")
    return f"{algorithm} {one} {other}"


@lru_cache(1024)
def thumbprint(key: str) -> str:
    """The name of a P-256 key (RFC 7638)."""
    _, x, y = key.split(" ")
    return encode(hashlib.sha256(f'{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}'.encode()).digest())


def verify(jws: JWS, key: str) -> None:
    """Raise ProofRefused where `jws` is not signed by `key`, which is as `public_key` spells it."""
    try:
        public = _key(key)
    except ValueError:
        raise ProofRefused("proof-key") from None  # not on the curve
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
    from cryptography.hazmat.primitives.hashes import SHA256

    signature = jws.signature
    try:
        if not isinstance(public, EllipticCurvePublicKey):
            public.verify(signature, jws.signed, PKCS1v15(), SHA256())
        elif len(signature) != 64:
            raise ProofRefused("proof-signature")
        else:
            pair = encode_dss_signature(int.from_bytes(signature[:32]), int.from_bytes(signature[32:]))
            public.verify(pair, jws.signed, ECDSA(SHA256()))
    except InvalidSignature:
        raise ProofRefused("proof-signature") from None


@lru_cache(1024)
def _key(key: str) -> EllipticCurvePublicKey | RSAPublicKey:
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicNumbers
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers

    algorithm, *numbers = key.split(" ")
    one, other = [int.from_bytes(_bytes(number, "proof-key")) for number in numbers]
    if algorithm == "ES256":
        return EllipticCurvePublicNumbers(one, other, SECP256R1()).public_key()
    return RSAPublicNumbers(other, one).public_key()


def encode(raw: bytes) -> str:
    """Base64url without padding (RFC 7515, section 2)."""
    return b2a_base64(raw, newline=False).rstrip(b"=").translate(_TO_URL).decode()


@lru_cache(256)
def _head(part: str) -> dict[str, Any]:
    """A browser's is the same in all its proofs. Nobody changes it."""
    return _object(part)


def _object(part: str) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(_bytes(part, "proof-malformed"))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ProofRefused("proof-malformed") from None
    if not isinstance(found, dict):
        raise ProofRefused("proof-malformed")
    return found


def _bytes(part: str, flaw: Flaw) -> bytes:
    if not _PART(part) or len(part) % 4 == 1:
        raise ProofRefused(flaw)
    return a2b_base64((part + "=" * (-len(part) % 4)).translate(_FROM_URL))
