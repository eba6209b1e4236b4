"""Changes: what a request did to its data, found by comparing with what was loaded, and put on top of newer data. Pure.

`base` is the encoded data that was loaded, `values` what was set since, or fetched and maybe changed in place, MISSING
for what was removed, and `counters` what `increment` added.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from .codec import MAX_INTEGER, altered, decode, encode, plain, same_encoding
from .errors import InvalidData, SessionCommitted
from .merge import MISSING, merge, same
from .store import Change

__all__ = ["Rebased", "add", "changed", "changes", "check_late", "committed", "encoded", "increments", "rebased"]

Base = Mapping[str, bytes]
Values = Mapping[str, Any]
Counters = Mapping[str, int]


class Rebased(NamedTuple):
    """Changes on top of newer data: the keys that both sides changed, and those of them in which `theirs` lost."""

    values: dict[str, Any]
    counters: dict[str, int]
    merged: tuple[str, ...]
    conflicts: tuple[str, ...]


# Of one type, they are the same value where they are equal; nan is not, and a bool is another type than 1.
_SIMPLE = frozenset((str, int, bool))


def changed(base: Base, values: Values) -> dict[str, Any]:
    """The values that differ from what was loaded."""
    return {key: value for key, value in values.items() if _is_changed(value, base.get(key))}


def changes(base: Base, values: Values, counters: Counters) -> dict[str, Change]:
    """Each key that was changed, increments apart. Raises InvalidData for what JSON cannot hold."""
    found: dict[str, Change] = {}
    for key, value in values.items():
        raw = base.get(key)
        if key not in counters and _is_changed(value, raw):
            found[key] = Change(raw, None if value is MISSING else encode(value, key))
    return found


def increments(base: Base, counters: Counters) -> dict[str, int]:
    """What was added to each counter."""
    return {key: by for key, by in counters.items() if by or key not in base}


def encoded(base: Base, values: Values) -> dict[str, bytes]:
    """All of the data, encoded, untouched keys as they were loaded. Raises InvalidData as `changes`."""
    whole = dict(base)
    for key, value in changed(base, values).items():
        if value is MISSING:
            whole.pop(key, None)
        else:
            whole[key] = encode(value, key)
    return whole


def committed(base: Base, changes: Mapping[str, Change], increments: Counters) -> Base:
    """`base` with what a commit wrote, and nothing that was set while it was under way."""
    if not changes and not increments:
        return base
    written = {key: change.value for key, change in changes.items()}
    for key, by in increments.items():
        written[key] = b"%d" % (decode(base.get(key, b"0")) + by)
    return altered(base, written)


def rebased(base: Base, values: Values, counters: Counters, theirs: Base) -> Rebased:
    """The same changes on top of `theirs`, which another request wrote since."""
    mine: dict[str, Any] = {}
    adding = dict(counters)
    merged, conflicts = [], []
    for key, set_to in changed(base, values).items():
        value = plain(set_to)
        before, newer = _decoded(base, key), _decoded(theirs, key)
        if key in counters and (newer is MISSING or type(newer) is int):
            mine[key] = add(key, 0 if newer is MISSING else newer, counters[key])
            continue
        adding.pop(key, None)
        mine[key], lost = merge(before, value, newer)
        if not same(before, newer):
            merged.append(key)
        if lost:
            conflicts.append(key)
    return Rebased(mine, adding, tuple(merged), tuple(conflicts))


def check_late(late: Mapping[str, Change]) -> None:
    """Raise SessionCommitted where something was changed, nested deep, after the response had started."""
    if late:
        keys = ", ".join(map(repr, late))
        raise SessionCommitted(
            f"session[{keys}] was changed after the response had started and is not kept. Change it before the "
            "first byte: not in a streaming body or a background task."
        )


def add(key: str, value: Any, by: Any) -> int:
    """The sum of two integers. Raises InvalidData for anything else, and beyond ±(2**53 - 1)."""
    value, by = plain(value), plain(by)
    if type(value) is not int or type(by) is not int or abs(value + by) > MAX_INTEGER:
        raise InvalidData(f"session.increment({key!r}) needs integers, and a sum within ±(2**53 - 1).")
    total: int = value + by
    return total


def _is_changed(value: Any, raw: bytes | None) -> bool:
    if raw is None or value is MISSING:
        return raw is not None or value is not MISSING
    before = decode(raw)
    kind = type(value)
    if kind in _SIMPLE and kind is type(before):
        return bool(value != before)
    # Equal in both ways, which is quick to see, or the same member by member. The quick encoding alone takes nan for
    # null and a date for text; == alone takes 1 for True.
    return not (same_encoding(value, raw) and bool(value == before)) and not same(plain(value), before)


def _decoded(data: Base, key: str) -> Any:
    raw = data.get(key)
    return MISSING if raw is None else decode(raw)
