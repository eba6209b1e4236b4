"""Operators: who may enter, and the keys of back ends that they look after: what the program behind the page gives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from sojourn.wire.api_key import KeyScope

__all__ = ["REALM", "KeyDesk", "KeyShown", "Operator", "Operators"]

REALM = "_operators"
"""Of the operators' own sessions: an end of everything leaves who asked for it signed in."""


class Operator(msgspec.Struct, frozen=True):
    """Somebody with an operator's key. `since` is when it got its secret, in Unix milliseconds; `actor` as Event.by."""

    id: str
    name: str
    since: int
    actor: str


class Operators(Protocol):
    """Who may enter."""

    def enter(self, key: str) -> Operator | None:
        """Whose key this is, compared in constant time."""

    def find(self, id: str) -> Operator | None:
        """The operator, for as long as the key is good."""

    def redeem(self, code: str) -> Operator | None:
        """Whose one-time code this is; it is used up by that."""


class KeyShown(msgspec.Struct, frozen=True, kw_only=True):
    """An API key as a page may show it. Times are Unix milliseconds."""

    id: str
    name: str
    scopes: tuple[KeyScope, ...]
    created_at: int
    rotated_at: int | None
    last_used_at: int | None


class KeyDesk(Protocol):
    """The API keys of back ends. Its methods read and write a file, and block."""

    def list(self) -> Sequence[KeyShown]:
        """All of them. Raises ConfigurationError where their file cannot be read."""

    def make(self, name: str, scopes: Sequence[KeyScope]) -> str:
        """A new key's text, to be shown once. Raises ConfigurationError for a name that is taken."""

    def revoke(self, id: str) -> KeyShown | None:
        """Take a key away; the key as it was, None where there is none of this id."""
