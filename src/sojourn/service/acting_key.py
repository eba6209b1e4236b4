"""The id of the API key that the request under way came with: who acts, for what is told of it."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Final

__all__ = ["acting_key"]

acting_key: Final[ContextVar[str]] = ContextVar("acting_key", default="")
""""" where there is none: a browser's own request, and the clean-up."""
