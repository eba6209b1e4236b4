"""Three-way merge of JSON values, as git does it: against what the request had loaded."""

from __future__ import annotations

import re
from typing import Any, Final, cast

__all__ = ["MISSING", "merge", "same"]


class _Missing:
    __slots__ = ()

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final[Any] = _Missing()
"""Stands for a key that is not there."""

_NUMBERS = (int, float)
_INDEX = re.compile("0|[1-9][0-9]*").fullmatch


def merge(base: Any, mine: Any, theirs: Any) -> tuple[Any, bool]:
    """Both changes of `base` as one value, and whether that lost something.

    One side changed: that side. Two dicts: key by key. Two lists that only grew: theirs, then what I added. The
    same change twice: once. Anything else is a conflict, which mine wins: it is the later writer. MISSING as base
    counts as the empty dict or list where both sides made one. An empty list is an empty dict, and an empty dict an
    empty list: PHP has one array for both. So a list beside dicts whose keys are all indexes is a dict like them.
    Conflicts apart, merge(b, x, y) equals merge(b, y, x), but for the order in which lists grew, the order of a dict's
    keys, and the spelling of a number or of what is empty: 1 in place of 1.0, or [] in place of {}, is no change to be
    lost over, as some languages give back one for the other.
    """
    if same(mine, base):
        return theirs, False
    if same(theirs, base):
        return mine, False
    kind = _kind(base, mine, theirs)
    if kind is dict:
        return _merge_dicts(*map(_as_dict, (base, mine, theirs)))
    if kind is list:
        if base is MISSING and _alike(mine, theirs):
            return mine, False
        stem, grown, grew_before = (_either(value, []) for value in (base, mine, theirs))
        if _grew(stem, grown) and _grew(stem, grew_before):
            return grew_before + grown[len(stem) :], False
    if _alike(mine, base):
        return theirs, False
    return mine, not (_alike(theirs, base) or _alike(mine, theirs))


def _kind(base: Any, mine: Any, theirs: Any) -> type | None:
    """dict or list where all three can be read as one; None for anything else."""
    if mine is MISSING or theirs is MISSING:
        return None
    filled = [value for value in (base, mine, theirs) if value is not MISSING and not _is_empty(value)]
    kinds = {type(value) for value in filled}
    if kinds == {dict, list} and all(map(_INDEX, (key for value in filled if type(value) is dict for key in value))):
        return dict
    return kinds.pop() if len(kinds) == 1 else None


def _as_dict(value: Any) -> dict[str, Any]:
    """As PHP reads it: a list's keys are its indexes."""
    if type(value) is list:
        return {str(index): member for index, member in enumerate(value)}
    return cast(dict[str, Any], _either(value, {}))


def _either(value: Any, empty: Any) -> Any:
    return empty if value is MISSING or _is_empty(value) else value


def _is_empty(value: Any) -> bool:
    return type(value) in (dict, list) and not value


def _merge_dicts(base: dict[str, Any], mine: dict[str, Any], theirs: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    merged: dict[str, Any] = {}
    lossy = False
    for key in theirs | mine:
        value, lost = merge(base.get(key, MISSING), mine.get(key, MISSING), theirs.get(key, MISSING))
        lossy = lossy or lost
        if value is not MISSING:
            merged[key] = value
    return merged, lossy


def _grew(stem: list[Any], grown: list[Any]) -> bool:
    return len(grown) >= len(stem) and all(map(_alike, stem, grown))


def _alike(left: Any, right: Any) -> bool:
    """As same, but that 1 and 1.0 are one number, and [] and {} one emptiness."""
    if _is_empty(left) and _is_empty(right):
        return True
    if type(left) is dict and type(right) is dict:
        return left.keys() == right.keys() and all(_alike(value, right[key]) for key, value in left.items())
    if type(left) is list and type(right) is list:
        return len(left) == len(right) and all(map(_alike, left, right))
    return same(left, right) or (type(left) in _NUMBERS and type(right) in _NUMBERS and bool(left == right))


def same(left: Any, right: Any) -> bool:
    """Whether two JSON values are the same one: 1, 1.0 and True are three values, and a dict has no order."""
    if left is right:
        return True
    if type(left) is not type(right):
        return False
    if type(left) is dict:
        return left.keys() == right.keys() and all(same(value, right[key]) for key, value in left.items())
    if type(left) is list:
        return len(left) == len(right) and all(map(same, left, right))
    return bool(left == right)
