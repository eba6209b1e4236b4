"""Data: a session's keys and values, decoded when touched, with what this request changed. No I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any

from .codec import MAX_INTEGER, EncodedObject, decode, encode, is_unicode, join, same_encoding
from .errors import InvalidData, SessionCommitted
from .merge import MISSING, merge, same
from .store import Change

__all__ = ["Data"]


# Any: a union of the JSON types would make `session["cart"].append(x)` a type error for every user.
class Data(MutableMapping[str, Any]):
    """A mapping over encoded values. Changes, nested ones too, are found by comparing with what was loaded."""

    # Defaults on the class: a request makes one of these, and most never set them.
    accessed = False
    _sealed = False
    _counters: Mapping[str, int] = {}

    def __init__(self, base: Mapping[str, bytes]) -> None:
        self._base = base
        self._values: dict[str, Any] = {}

    def __getitem__(self, key: str) -> Any:
        self.accessed = True
        value = self._values.get(key, self)
        if value is self:
            base = self._base
            # The one kind of base that spares a copy, on the way that most requests go.
            value = base.decoded(key) if type(base) is EncodedObject else decode(base[key])
            # Only what can be changed in place must be kept for comparison.
            if type(value) is list or type(value) is dict:
                self._values[key] = value
        if value is MISSING:
            raise KeyError(key)
        return value

    def __setitem__(self, key: str, value: Any) -> None:
        self._allow_change()
        if type(key) is not str:
            raise InvalidData(f"A session's keys are text; this one is of type {type(key).__name__}.")
        if not key.isascii() and not is_unicode(key):
            raise InvalidData("A session's keys are Unicode text; this one has a lone surrogate in it.")
        self._forget_counter(key)
        self._values[key] = value

    def __delitem__(self, key: str) -> None:
        self._allow_change()
        if key not in self:
            raise KeyError(key)
        self._forget_counter(key)
        self._values[key] = MISSING

    def __contains__(self, key: object) -> bool:
        self.accessed = True
        value = self._values.get(key, self)  # type: ignore[call-overload]  # any object may be asked for
        return key in self._base if value is self else value is not MISSING

    def __iter__(self) -> Iterator[str]:
        self.accessed = True
        values = self._values
        kept = [key for key in self._base if values.get(key) is not MISSING]
        return iter(kept + [key for key, value in values.items() if value is not MISSING and key not in self._base])

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def increment(self, key: str, by: int = 1) -> int:
        """Add to an integer, a missing one counting as 0, and return the sum as this request sees it.

        Parallel requests add up: the store adds `by` to what it then holds. Raises InvalidData where the value
        is no integer or the sum leaves ±(2**53 - 1).
        """
        value = _sum(key, self.get(key, 0), by)
        adds_up = key in self._counters or key not in self._changed()
        total = self._counters.get(key, 0) + by
        self[key] = value
        if adds_up:
            self._counters = {**self._counters, key: total}
        return value

    def changes(self) -> dict[str, Change]:
        """Each key that this request changed, increments apart. Raises InvalidData for what JSON cannot hold."""
        if not self._values:
            return {}
        return {
            key: Change(self._base.get(key), None if value is MISSING else encode(value, key))
            for key, value in self._changed().items()
            if key not in self._counters
        }

    def increments(self) -> dict[str, int]:
        """What this request adds to each counter."""
        return {key: by for key, by in self._counters.items() if by or key not in self._base}

    def encoded(self) -> dict[str, bytes]:
        """All of the data, encoded, untouched keys as they were loaded."""
        whole = dict(self._base)
        for key, value in self._changed().items():
            if value is MISSING:
                whole.pop(key, None)
            else:
                whole[key] = encode(value, key)
        return whole

    def text(self) -> str:
        """The same, as the text of one JSON object."""
        return join(self.encoded() if self._values else self._base)

    def rebase(self, theirs: Mapping[str, bytes]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Put this request's changes on top of newer data: the keys that were merged, and those that lost something."""
        values: dict[str, Any] = {}
        merged, conflicts = [], []
        for key, value in self._changed().items():
            base, newer = _decoded(self._base, key), _decoded(theirs, key)
            if key in self._counters and (newer is MISSING or type(newer) is int):
                values[key] = _sum(key, 0 if newer is MISSING else newer, self._counters[key])
                continue
            self._forget_counter(key)
            values[key], lost = merge(base, value, newer)
            if not same(base, newer):
                merged.append(key)
            if lost:
                conflicts.append(key)
        self._base, self._values = theirs, values
        return tuple(merged), tuple(conflicts)

    def settle(self) -> None:
        """This request's changes were written: from here on they are what was loaded."""
        self._base = self.encoded()
        self._counters = {}

    def replace_all(self, base: Mapping[str, bytes]) -> None:
        """Forget everything, this request's changes too, for `base`."""
        self._base, self._values, self._counters = base, {}, {}

    def seal(self) -> None:
        """Refuse changes from here on: the response's headers are sent."""
        self._sealed = True

    def check_late_changes(self) -> None:
        """Raise SessionCommitted where something was changed, nested deep, after `seal`."""
        late = self.changes()
        if late:
            keys = ", ".join(map(repr, late))
            raise SessionCommitted(
                f"session[{keys}] was changed after the response had started and is not kept. Change it before the "
                "first byte: not in a streaming body or a background task."
            )

    def _forget_counter(self, key: str) -> None:
        if key in self._counters:
            self._counters = {other: by for other, by in self._counters.items() if other != key}

    def _changed(self) -> dict[str, Any]:
        base = self._base
        changed: dict[str, Any] = {}
        for key, value in self._values.items():
            raw = base.get(key)
            if raw is None:
                if value is not MISSING:
                    changed[key] = value
            elif value is MISSING or not _unchanged(value, raw):
                changed[key] = value
        return changed

    def _allow_change(self) -> None:
        self.accessed = True
        if self._sealed:
            raise SessionCommitted(
                "The session was changed after the response had started, when its commit was done. Make the change "
                "before the first byte of the response: not in a streaming body or a background task."
            )


def _unchanged(value: Any, raw: bytes) -> bool:
    before = decode(raw)
    # Equal in both ways, which is quick to see, or the same member by member. JSON alone takes a tuple for a list and
    # nan for null; == alone takes 1 for True.
    return bool(value == before) if same_encoding(value, raw) else same(value, before)


def _sum(key: str, value: Any, by: Any) -> int:
    if type(value) is not int or type(by) is not int or abs(value + by) > MAX_INTEGER:
        raise InvalidData(f"session.increment({key!r}) needs integers, and a sum within ±(2**53 - 1).")
    return value + by


def _decoded(data: Mapping[str, bytes], key: str) -> Any:
    raw = data.get(key)
    return MISSING if raw is None else decode(raw)
