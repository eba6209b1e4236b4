"""Values as Django's JSON serializer would write them: without the subclasses of text, numbers, lists and dicts."""

from __future__ import annotations

from typing import Any

__all__ = ["plain"]


def plain(value: Any) -> Any:
    """`value` with SafeString as text, a member of TextChoices as its value, a tuple as a list, and so on, all through.

    What JSON cannot hold is left as it is, for the session to refuse.
    """
    if value is None or type(value) in (str, bool, int, float):
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, (list, tuple)):
        return [plain(member) for member in value]
    if isinstance(value, dict):
        return {plain(key): plain(member) for key, member in value.items()}
    return value
