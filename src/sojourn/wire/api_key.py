"""The API key that a back end shows: its spelling, and what it may be for."""

from __future__ import annotations

from typing import Final, Literal

__all__ = ["API_KEY_PATTERN", "KEY_SCOPES", "KeyScope", "spell_api_key"]

KeyScope = Literal["sessions", "admin", "verify", "metrics", "operator"]
"""What a key is for: `sessions` to open and commit them, `admin` to list and revoke a user's, `verify` to ask whose a
visitor's request is, `metrics` for Prometheus, and `operator` to sign in at /admin; the last three for nothing else."""

KEY_SCOPES: Final[tuple[KeyScope, ...]] = ("sessions", "admin", "verify", "metrics", "operator")

API_KEY_PATTERN: Final = "sjk1-([0-9a-f]{8})-([0-9a-f]{64})"
"""Its public id, and its secret."""


def spell_api_key(id: str, secret: str) -> str:
    """The text that a back end is given, once."""
    return f"sjk1-{id}-{secret}"
