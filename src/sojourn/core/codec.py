"""Values as JSON and back. What JSON cannot hold is refused, never changed in silence."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from .errors import InvalidData, StoreUnavailable

__all__ = ["EncodedObject", "decode", "encode", "is_unicode", "join", "same_encoding", "size"]

MAX_DEPTH = 32
# JavaScript holds integers exactly up to here; four languages share a session.
MAX_INTEGER = 2**53 - 1

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
_split = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode

_INSTEAD = {
    "tuple": "a list",
    "set": "a sorted list",
    "frozenset": "a sorted list",
    "bytes": "base64 text",
    "datetime": "value.isoformat()",
    "date": "value.isoformat()",
    "timedelta": "value.total_seconds()",
    "Decimal": "str(value)",
    "UUID": "str(value)",
}


def encode(value: Any, path: str = "") -> bytes:
    """`value` as compact UTF-8 JSON.

    Raises InvalidData, naming the place under `path`, for anything but dict with str keys, list, str, int within
    ±(2**53 - 1), finite float, bool and None, or deeper than 32 levels.
    """
    _check(value, path, MAX_DEPTH)
    try:
        return _encode(value)
    except UnicodeEncodeError:
        raise InvalidData(f"session[{path!r}] holds text that is not Unicode (a lone surrogate).") from None


def decode(raw: bytes | msgspec.Raw | str) -> Any:
    """The value that `encode` was given. Raises StoreUnavailable for what `encode` never wrote."""
    try:
        return _decode(raw)
    except (msgspec.DecodeError, RecursionError):
        raise _unreadable() from None


def is_unicode(text: str) -> bool:
    """Whether `text` can be written as UTF-8: it holds no lone surrogate."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def same_encoding(value: Any, raw: bytes) -> bool:
    """Whether `value` would be written as, byte for byte, what `raw` holds already: a cheap first look."""
    try:
        return _encode(value) == raw
    except (TypeError, ValueError, RecursionError):
        return False


class EncodedObject(Mapping[str, bytes]):
    """The members of an object, each in encoded JSON. `text` is not looked at before the first is asked for.

    `split` takes it apart: a JSON object's text, unless a store keeps it in another form.
    """

    __slots__ = ("_members", "_split_text", "_text")

    def __init__(self, text: Any, split: Callable[[Any], Mapping[str, msgspec.Raw | str]] = _split) -> None:
        self._text = text
        self._split_text = split
        self._members: Mapping[str, msgspec.Raw | str] | None = None

    def __getitem__(self, key: str) -> bytes:
        member = self._split()[key]
        return member.encode() if type(member) is str else bytes(member)  # type: ignore[arg-type]

    def decoded(self, key: str) -> Any:
        """The value under `key`. Raises as `decode`."""
        members = self._members
        return decode((self._split() if members is None else members)[key])

    def __iter__(self) -> Iterator[str]:
        return iter(self._split())

    def __len__(self) -> int:
        return len(self._split())

    def __contains__(self, key: object) -> bool:
        return key in self._split()

    @property
    def members(self) -> Mapping[str, msgspec.Raw | str]:
        """The same, in the form in which they were kept."""
        return self._split()

    @property
    def untouched(self) -> bool:
        """Whether nothing was asked for so far."""
        return self._members is None

    def _split(self) -> Mapping[str, msgspec.Raw | str]:
        if self._members is None:
            try:
                self._members = self._split_text(self._text)
            except (msgspec.DecodeError, RecursionError):
                raise _unreadable() from None
        return self._members


def _unreadable() -> StoreUnavailable:
    # Without the decoder's words: they may quote what it met.
    return StoreUnavailable("A session's data in the store is not the JSON that was written.")


def join(data: Mapping[str, bytes]) -> str:
    """Encoded `data` as the text of one JSON object."""
    members: Mapping[str, Any] = data.members if type(data) is EncodedObject else data
    return _encode({key: msgspec.Raw(member) for key, member in members.items()}).decode()


def size(data: Mapping[str, bytes]) -> int:
    """The bytes of encoded `data` as one JSON object; escapes in its keys are not counted."""
    return sum([len(key.encode()) + len(value) + 4 for key, value in data.items()]) + 1 if data else 2


def _check(value: Any, path: str, depth: int) -> None:
    kind = type(value)
    if kind is str or value is None or kind is bool:
        return
    if kind is int:
        if not -MAX_INTEGER <= value <= MAX_INTEGER:
            raise InvalidData(f"session[{path!r}] holds an integer beyond ±(2**53 - 1). Keep it as text.")
    elif kind is float:
        if not math.isfinite(value):
            raise InvalidData(f"session[{path!r}] holds {value}, which JSON has no word for. Use None.")
    elif kind is list or kind is dict:
        if depth == 0:
            raise InvalidData(f"session[{path!r}] is nested deeper than {MAX_DEPTH} levels.")
        _check_members(value, path, depth - 1)
    else:
        instead = _INSTEAD.get(kind.__name__, "dict, list, str, int, float, bool or None")
        raise InvalidData(f"session[{path!r}] holds a {kind.__name__}, which JSON cannot keep. Use {instead}.")


def _check_members(value: Any, path: str, depth: int) -> None:
    if type(value) is list:
        for member in value:
            _check(member, path, depth)
        return
    for key, member in value.items():
        if type(key) is not str:
            raise InvalidData(f"session[{path!r}] has a key of type {type(key).__name__}. JSON's keys are text.")
        _check(member, path, depth)
