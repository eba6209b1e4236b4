"""Operators: who may sign in at /admin of the service, and the file of API keys that they look after."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from sojourn.admin.operators import KeyShown, Operator
from sojourn.manager import Clock, milliseconds
from sojourn.wire.api_key import KeyScope

from .keyring import Keyring
from .keys import ApiKey, changing_keys, find_key, make_key, read_keys, require_new_name
from .last_use import read_last_use

__all__ = ["KeyFile", "KeyOperators", "operator_of"]


class KeyOperators:
    """Whoever has an API key of the scope `operator`, until that is revoked or rotated."""

    def __init__(self, keys: Keyring) -> None:
        self._keys = keys

    def enter(self, key: str) -> Operator | None:
        """As Operators.enter."""
        found = self._keys.holder(key.encode(), "operator")
        return operator_of(found) if found else None

    def find(self, id: str) -> Operator | None:
        """As Operators.find."""
        found = self._keys.find(id, "operator")
        return operator_of(found) if found else None

    def redeem(self, code: str) -> Operator | None:
        """As Operators.redeem: a service gives no one-time codes."""
        return None


class KeyFile:
    """The keys in a file, for the page of operators. Reads and writes it at each call."""

    def __init__(self, path: Path, clock: Clock = milliseconds) -> None:
        self._path, self._clock = path, clock

    def list(self) -> Sequence[KeyShown]:
        """As KeyDesk.list."""
        try:
            there, used = read_keys(self._path), read_last_use(self._path)
        except FileNotFoundError:
            return ()
        return [_shown(key, used.get(key.id)) for key in there]

    def make(self, name: str, scopes: Sequence[KeyScope]) -> str:
        """As KeyDesk.make."""
        with changing_keys(self._path) as there:
            require_new_name(there, name)
            key, text = make_key(name, scopes, self._clock(), os.urandom)
            there.append(key)
        return text

    def revoke(self, id: str) -> KeyShown | None:
        """As KeyDesk.revoke."""
        with changing_keys(self._path) as there:
            key = find_key(there, id)
            if key is not None:
                there.remove(key)
        return _shown(key, None) if key else None


def operator_of(key: ApiKey) -> Operator:
    """Who holds a key."""
    return Operator(key.id, key.name, key.rotated_at or key.created_at, f"key:{key.id}")


def _shown(key: ApiKey, used_at: int | None) -> KeyShown:
    return KeyShown(
        id=key.id,
        name=key.name,
        scopes=key.scopes,
        created_at=key.created_at,
        rotated_at=key.rotated_at,
        last_used_at=used_at,
    )
