"""JSON that another layer wrote: an object, or nothing."""

from __future__ import annotations

import json
from typing import Any

from .layer import MAX_BYTES

__all__ = ["json_object"]


def json_object(raw: bytes | None) -> dict[str, Any] | None:
    """The object that `raw` spells; None for anything else.

    Python's own reader: it takes NaN, as these layers write it, and only the value that holds it stays behind.
    """
    if raw is None or len(raw) > MAX_BYTES:
        return None
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
