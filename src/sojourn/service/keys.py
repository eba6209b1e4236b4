"""API keys: what lets a back end use the service. A file holds their hashes; the key itself is shown once."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import stat
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
from msgspec.structs import replace

from sojourn.core.errors import ConfigurationError
from sojourn.core.token import Random
from sojourn.wire.api_key import API_KEY_PATTERN, KeyScope, spell_api_key

__all__ = [
    "ApiKey",
    "Former",
    "changing_keys",
    "find_key",
    "make_key",
    "read_keys",
    "rotate_key",
    "take_apart",
]

_SHAPE = re.compile(API_KEY_PATTERN.encode()).fullmatch


class Former(msgspec.Struct, frozen=True):
    """The hash of the secret before the last rotation, good until `until`."""

    hash: str
    until: int


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """One key as the file holds it. `hash` is the sha256 of its secret's 64 characters; times are Unix ms."""

    id: str
    name: str
    scopes: tuple[KeyScope, ...]
    hash: str
    created_at: int
    rotated_at: int | None = None
    former: Former | None = None

    def opened_by(self, hash: str, now: int) -> bool:
        """Whether `hash` is of this key's secret, compared in constant time."""
        if hmac.compare_digest(self.hash, hash):
            return True
        return self.former is not None and now < self.former.until and hmac.compare_digest(self.former.hash, hash)


class _File(msgspec.Struct, frozen=True):
    keys: tuple[ApiKey, ...] = ()


def take_apart(text: bytes) -> tuple[str, str] | None:
    """The id that a key spells and the hash of its secret; None for what has not the shape of a key."""
    found = _SHAPE(text)
    return (found[1].decode(), hashlib.sha256(found[2]).hexdigest()) if found else None


def make_key(name: str, scopes: Sequence[KeyScope], now: int, random: Random) -> tuple[ApiKey, str]:
    """A new key, and its text to be shown once."""
    id, secret = random(4).hex(), random(32).hex()
    key = ApiKey(id=id, name=name, scopes=tuple(dict.fromkeys(scopes)), hash=_hash(secret), created_at=now)
    return key, spell_api_key(id, secret)


def rotate_key(key: ApiKey, grace: float, now: int, random: Random) -> tuple[ApiKey, str]:
    """The key with a new secret, the one before good for `grace` seconds; and its text to be shown once."""
    secret = random(32).hex()
    former = Former(key.hash, now + int(grace * 1000)) if grace > 0 else None
    return replace(key, hash=_hash(secret), rotated_at=now, former=former), spell_api_key(key.id, secret)


def find_key(keys: Sequence[ApiKey], id: str) -> ApiKey | None:
    """The key of this id."""
    return next((key for key in keys if key.id == id), None)


def read_keys(path: Path) -> tuple[ApiKey, ...]:
    """The keys in the file `path`. Raises FileNotFoundError, or ConfigurationError for a file that holds none."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=_File).keys
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ConfigurationError(f"The file of API keys {path} cannot be read: {error.strerror}.") from None
    except msgspec.DecodeError as error:
        raise ConfigurationError(f"{path} is no file of API keys: {error}. `sojourn keys make` writes one.") from None


@contextmanager
def changing_keys(path: Path) -> Iterator[list[ApiKey]]:
    """The keys in the file, to be changed; written at the end. One program at a time, and others wait."""
    try:
        import fcntl
    except ImportError:
        raise ConfigurationError("The session service is for Unix: Linux, macOS, BSD.") from None
    try:
        folder = os.open(path.parent, os.O_RDONLY)
    except OSError as error:
        raise _unwritable(path, error) from None
    try:
        # The folder, not the file: that is replaced.
        fcntl.flock(folder, fcntl.LOCK_EX)
        try:
            before = read_keys(path)
        except FileNotFoundError:
            before = ()
        keys = [*before]
        yield keys
        if keys != [*before]:
            _write(path, keys)
    finally:
        os.close(folder)


def _write(path: Path, keys: Sequence[ApiKey]) -> None:
    text = msgspec.json.format(msgspec.json.encode(_File(tuple(keys))), indent=2) + b"\n"
    try:
        # With mode 600. Put in place at once, so that a service reads the old one or the new one.
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        new = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
                if path.exists():
                    # Whoever could read it, the service's own user perhaps, must still be able to.
                    before = path.stat()
                    os.fchown(file.fileno(), before.st_uid, before.st_gid)
                    os.fchmod(file.fileno(), stat.S_IMODE(before.st_mode))
            new.replace(path)
        finally:
            new.unlink(missing_ok=True)
    except OSError as error:
        raise _unwritable(path, error) from None


def _unwritable(path: Path, error: OSError) -> ConfigurationError:
    return ConfigurationError(f"The file of API keys {path} cannot be written: {error.strerror}.")


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
