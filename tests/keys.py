"""A client's key, and the proofs that it signs: as RFC 9449 has them, or wrong in one thing."""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

__all__ = ["Key", "RSAKey", "b64", "device_proof", "signed", "unsealed"]


def b64(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


class Key:
    """A P-256 key."""

    algorithm = "ES256"

    def __init__(self, secret: int | None = None) -> None:
        self.private = (
            ec.generate_private_key(ec.SECP256R1()) if secret is None else ec.derive_private_key(secret, ec.SECP256R1())
        )
        numbers = self.private.public_key().public_numbers()
        self.jwk = {"crv": "P-256", "kty": "EC", "x": b64(numbers.x.to_bytes(32)), "y": b64(numbers.y.to_bytes(32))}

    def sign(self, text: bytes) -> bytes:
        r, s = decode_dss_signature(self.private.sign(text, ec.ECDSA(SHA256())))
        return r.to_bytes(32) + s.to_bytes(32)

    @property
    def thumbprint(self) -> str:
        return b64(hashlib.sha256(json.dumps(self.jwk, separators=(",", ":"), sort_keys=True).encode()).digest())

    def proof(
        self,
        method: str,
        url: str,
        *,
        token: str | None = None,
        nonce: str | None = None,
        header: dict[str, Any] | None = None,
        **claims: Any,
    ) -> str:
        """A proof; what is None in `header` or `claims` is left away."""
        head = {"typ": "dpop+jwt", "alg": "ES256", "jwk": self.jwk, **(header or {})}
        said = {"jti": secrets.token_hex(8), "htm": method, "htu": url, "iat": int(time.time()), "nonce": nonce}
        if token is not None:
            said["ath"] = b64(hashlib.sha256(token.encode()).digest())
        return signed(self, {**head}, {**said, **claims})


class RSAKey:
    """A key as old TPMs have it."""

    algorithm = "RS256"

    def __init__(self, bits: int = 2048) -> None:
        self.private = rsa.generate_private_key(65537, bits)
        self.jwk = {
            "kty": "RSA",
            "n": b64(self.private.public_key().public_numbers().n.to_bytes(bits // 8)),
            "e": "AQAB",
        }

    def sign(self, text: bytes) -> bytes:
        return self.private.sign(text, padding.PKCS1v15(), SHA256())


def device_proof(
    key: Key | RSAKey, challenge: str | None, *, register: bool, header: dict[str, Any] | None = None, **claims: Any
) -> str:
    """A proof for DBSC, as Chromium makes it: with the key in it at the registration alone."""
    head = {"alg": key.algorithm, "typ": "dbsc+jwt", "jwk": key.jwk if register else None, **(header or {})}
    return signed(key, head, {"jti": challenge, **claims})


def signed(key: Key | RSAKey, header: dict[str, Any], claims: dict[str, Any]) -> str:
    """A JWS of these, with what is None left away."""
    parts = [b64(json.dumps({k: v for k, v in each.items() if v is not None}).encode()) for each in (header, claims)]
    return ".".join([*parts, b64(key.sign(".".join(parts).encode()))])


def unsealed(part: str) -> Any:
    """What a part of a proof says."""
    return json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4)))
