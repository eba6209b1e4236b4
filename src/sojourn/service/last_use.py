"""When each API key was used last, to the minute: in a file beside the keys, for `sojourn keys list`."""

from __future__ import annotations

import logging
import os
from collections.abc import Collection, Mapping
from pathlib import Path

import msgspec

from .keys import real_path

__all__ = ["LastUse", "read_last_use"]

logger = logging.getLogger("sojourn.service")

NOTED_EVERY_MS = 60_000

_decode = msgspec.json.Decoder(dict[str, int]).decode


class LastUse:
    """Notes the use of keys: one small write for each key, process and minute, however many requests there are."""

    def __init__(self, keys: Path) -> None:
        self._path = _beside(keys)
        self._noted: dict[str, int] = {}
        self._told = False

    def note(self, id: str, now: int, known: Collection[str]) -> None:
        """The key of this id was used; of those that are not `known` any more nothing is kept."""
        if now < self._noted.get(id, 0) + NOTED_EVERY_MS:
            return
        self._noted[id] = now
        try:
            _merge(self._path, id, now, known)
        except OSError as error:
            if not self._told:
                logger.warning(
                    "When keys were last used is not kept: %s cannot be written: %s", self._path, error.strerror
                )
            self._told = True


def read_last_use(keys: Path) -> Mapping[str, int]:
    """When the keys in this file were last used, by their ids, in Unix ms. Empty where it is not known."""
    try:
        return _read(_beside(keys).read_bytes())
    except OSError:
        return {}


def _beside(keys: Path) -> Path:
    path = real_path(keys)
    return path.with_name(f"{path.name}.used")


def _read(text: bytes) -> dict[str, int]:
    try:
        return _decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}


def _merge(path: Path, id: str, now: int, known: Collection[str]) -> None:
    import fcntl

    # Written in place: a service that may not make files in that folder may be given this one.
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b") as file:
        try:
            # Requests wait for nobody: another process that writes just now may have the minute.
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        before = file.read()
        used = {key: at for key, at in _read(before).items() if key in known}
        used[id] = max(now, used.get(id, 0))
        file.seek(0)
        # Never shorter, and in one piece: who reads without the lock finds the old or the new.
        file.write(msgspec.json.encode(used).ljust(len(before)))
