"""Signed: a cookie's text that itsdangerous signed, as Flask, Flask-Session and Starlette do."""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Sequence
from typing import NamedTuple

from sojourn.core.errors import ConfigurationError

from .layer import MAX_BYTES

__all__ = ["Secret", "Signed", "SignedText", "keys_of", "unpacked"]

Secret = str | bytes


class SignedText(NamedTuple):
    """What was signed: `key` is all of it, `text` without the time, which is in Unix milliseconds."""

    key: str
    text: str
    at: int


class Signed:
    """Text signed with one of `secrets`."""

    def __init__(
        self, secrets: Sequence[Secret], *, salt: str | None = None, derivation: str | None = None, timed: bool = True
    ) -> None:
        try:
            import itsdangerous
        except ImportError as error:
            raise ConfigurationError("Signed cookies are read with itsdangerous: pip install itsdangerous") from error
        self._bad = itsdangerous.BadSignature
        self._signer = itsdangerous.Signer(_bytes(secrets), salt, key_derivation=derivation)
        self._timed = itsdangerous.TimestampSigner(_bytes(secrets), salt, key_derivation=derivation) if timed else None

    def verify(self, value: str) -> SignedText | None:
        """What was signed; None where it is forged.

        The signature is no part of it: it can be spelled in several ways, and all of them stand for one session.
        """
        try:
            key = self._signer.unsign(value).decode()
            if self._timed is None:
                return SignedText(key, key, 0)
            text, at = self._timed.unsign(value, return_timestamp=True)
            return SignedText(key, text.decode(), int(at.timestamp()) * 1000)
        except (self._bad, ValueError, OverflowError):
            return None

    def fresh(self, value: str, max_age: float | None, now: int) -> SignedText | None:
        """What was signed at most `max_age` seconds ago, and not in the time to come."""
        signed = self.verify(value)
        if signed is None or max_age is None:
            return signed
        # Signed to the second.
        return signed if -1000 <= now - signed.at <= max_age * 1000 else None


def keys_of(secret: Secret | Sequence[Secret]) -> list[Secret]:
    """One secret or several as a list. Raises ConfigurationError where there is none."""
    secrets = [secret] if isinstance(secret, (str, bytes)) else [*secret]
    if not secrets or not all(secrets):
        raise ConfigurationError("An old layer's secret is empty: give the key that its cookies were signed with.")
    return secrets


def unpacked(text: str, *, urlsafe: bool) -> bytes | None:
    """The bytes that `text` is the base64 of, decompressed where a leading dot says so. None for too much, or junk."""
    packed = text.removeprefix(".")
    raw = packed.encode() + b"=" * (-len(packed) % 4)
    try:
        plain = base64.urlsafe_b64decode(raw) if urlsafe else base64.b64decode(raw)
        if not urlsafe or packed == text:
            return plain
        unpacking = zlib.decompressobj()
        plain = unpacking.decompress(plain, MAX_BYTES)
    except (binascii.Error, zlib.error):
        return None
    return plain if unpacking.eof else None


def _bytes(secrets: Sequence[Secret]) -> list[bytes]:
    return [secret.encode() if isinstance(secret, str) else secret for secret in secrets]
