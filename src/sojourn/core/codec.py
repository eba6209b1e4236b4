"""Values as JSON and back: what `json.dumps` takes, as the same JSON. What JSON cannot hold is refused."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from typing import Any, Self

import msgspec

from .errors import InvalidData, StoreUnavailable

__all__ = [
    "Dictionary",
    "EncodedObject",
    "altered",
    "checked_key",
    "decode",
    "encode",
    "is_unicode",
    "join",
    "key_text",
    "plain",
    "same_encoding",
    "size",
]

MAX_DEPTH = 32
# JavaScript holds integers exactly up to here, and so do the counters, which stores add up.
MAX_INTEGER = 2**53 - 1
# What any other integer may be: 64 bits, with a sign.
_MAX_KEPT = 2**63 - 1

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
_split = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode

_RAW = frozenset((msgspec.Raw,))
_WORDS = {None: "null", True: "true", False: "false"}
_INSTEAD = {
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
    """`value` as compact UTF-8 JSON: the same JSON as `json.dumps` makes of it.

    Raises InvalidData, naming the place under `path`, for what that refuses, NaN, infinities, integers of more than 64
    bits, and what is deeper than 32 levels.
    """
    try:
        return _encode(_plain(value, path, MAX_DEPTH))
    except UnicodeEncodeError:
        raise InvalidData(f"session[{path!r}] holds text that is not Unicode (a lone surrogate).") from None


def plain(value: Any) -> Any:
    """What `decode(encode(value))` gives; a value that cannot be encoded as it is."""
    try:
        return _plain(value, "", MAX_DEPTH)
    except InvalidData:
        return value


def key_text(key: Any) -> Any:
    """A dict's key as `json.dumps` writes it: 1 is "1", True "true", None "null"; any other key as it is."""
    if isinstance(key, str):
        # The text itself: an enum's str() is another.
        return str.__str__(key)
    if key is None or isinstance(key, bool):
        return _WORDS[key]
    if isinstance(key, int):
        return int.__repr__(key)
    return float.__repr__(key) if isinstance(key, float) and math.isfinite(key) else key


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
        member = (self._members or self._split())[key]
        return member.encode() if type(member) is str else bytes(member)  # type: ignore[arg-type]

    def get(self, key: str, default: Any = None) -> Any:
        """As a mapping's, but without an exception for what is not there."""
        member = (self._members or self._split()).get(key)
        if member is None:
            return default
        return member.encode() if type(member) is str else bytes(member)  # type: ignore[arg-type]

    def altered(self, changes: Mapping[str, bytes | None]) -> EncodedObject:
        """As the function."""
        # Copied whole, in C: one by one each member would cost as much as ten.
        members = dict(self._members or self._split())
        for key, raw in changes.items():
            if raw is None:
                members.pop(key, None)
            else:
                members[key] = msgspec.Raw(raw)
        other = EncodedObject(None, self._split_text)
        other._members = members
        return other

    def decoded(self, key: str) -> Any:
        """The value under `key`. Raises as `decode`."""
        return decode((self._members or self._split())[key])

    def __iter__(self) -> Iterator[str]:
        return iter(self._split())

    def __len__(self) -> int:
        return len(self._members or self._split())

    def __contains__(self, key: object) -> bool:
        return key in (self._members or self._split())

    @property
    def members(self) -> Mapping[str, msgspec.Raw | str]:
        """The same, in the form in which they were kept."""
        return self._members or self._split()

    @property
    def is_json(self) -> bool:
        """Whether its text is JSON's: its members are then msgspec.Raw alone."""
        return self._split_text is _split

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


class Dictionary(MutableMapping[str, Any]):
    """A mutable mapping with what a dict has beside: `copy`, `|`, `|=`, `reversed`, and which item `popitem` takes."""

    __slots__ = ()

    def __reversed__(self) -> Iterator[str]:
        return reversed(list(self))

    def __or__(self, other: Mapping[str, Any]) -> dict[str, Any]:
        return {**self, **other} if isinstance(other, Mapping) else NotImplemented

    def __ror__(self, other: Mapping[str, Any]) -> dict[str, Any]:
        return {**other, **self} if isinstance(other, Mapping) else NotImplemented

    def __ior__(self, other: Mapping[str, Any] | Iterable[tuple[str, Any]]) -> Self:
        self.update(other)
        return self

    def popitem(self) -> tuple[str, Any]:
        """Remove the item that came last, and return it, as a dict does. Raises KeyError where there is none."""
        for key in reversed(self):
            return key, self.pop(key)
        raise KeyError("popitem(): there is nothing in it")

    def copy(self) -> dict[str, Any]:
        """Its contents as a dict; to change that changes nothing here."""
        return dict(self)


def _unreadable() -> StoreUnavailable:
    # Without the decoder's words: they may quote what it met.
    return StoreUnavailable("A session's data in the store is not the JSON that was written.")


def altered(data: Mapping[str, bytes], changes: Mapping[str, bytes | None]) -> Mapping[str, bytes]:
    """Encoded `data` with other values, and without the keys that are changed to None. `data` stays as it is."""
    if type(data) is EncodedObject:
        return data.altered(changes)
    whole = dict(data)
    for key, raw in changes.items():
        if raw is None:
            whole.pop(key, None)
        else:
            whole[key] = raw
    return whole


def join(data: Mapping[str, bytes]) -> str:
    """Encoded `data` as the text of one JSON object."""
    members: Mapping[str, Any] = data.members if type(data) is EncodedObject else data
    # What was JSON's text is of Raw alone.
    if not (type(data) is EncodedObject and data.is_json) and not _RAW.issuperset(map(type, members.values())):
        members = {key: msgspec.Raw(member) for key, member in members.items()}
    return _encode(members).decode()


def size(data: Mapping[str, bytes]) -> int:
    """The bytes of encoded `data` as one JSON object; escapes in its keys are not counted."""
    members: Mapping[str, Any] = data.members if type(data) is EncodedObject else data
    if not members:
        return 2
    values: Iterable[Any] = members.values()
    # In C: one by one twelve members cost a tenth of a change.
    try:
        joined = "".join(values).encode() if type(next(iter(values))) is str else b"".join(values)
    except TypeError:  # text and others
        joined = b"".join(data.values())
    return len("".join(members).encode()) + len(joined) + 4 * len(members) + 1


def _plain(value: Any, path: str, depth: int) -> Any:
    """`value` of dict, list, str, int, float, bool and None alone, as `json.dumps` understands it."""
    kind = type(value)
    if kind is str or value is None or kind is bool or (kind is int and -MAX_INTEGER <= value <= MAX_INTEGER):
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        if not -_MAX_KEPT - 1 <= value <= _MAX_KEPT:
            raise InvalidData(f"session[{path!r}] holds an integer of more than 64 bits. Keep it as text.")
        return value if kind is int else int.__int__(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise InvalidData(f"session[{path!r}] holds {float(value)}, which JSON has no word for. Use None.")
        return value if kind is float else float.__float__(value)
    if not isinstance(value, (dict, list, tuple)):
        instead = _INSTEAD.get(kind.__name__, "dict, list, str, int, float, bool or None")
        raise InvalidData(f"session[{path!r}] holds a {kind.__name__}, which JSON cannot keep. Use {instead}.")
    if depth == 0:
        raise InvalidData(f"session[{path!r}] is nested deeper than {MAX_DEPTH} levels.")
    if isinstance(value, dict):
        return {_plain_key(key, path): _plain(member, path, depth - 1) for key, member in value.items()}
    return [_plain(member, path, depth - 1) for member in value]


def checked_key(key: Any) -> str:
    """The text of one of a session's own keys. Raises InvalidData where it has none that is Unicode."""
    text = key_text(key)
    if type(text) is not str:
        raise InvalidData(f"A session's keys are text; this one is of type {type(key).__name__}.")
    if not is_unicode(text):
        raise InvalidData("A session's keys are Unicode text; this one has a lone surrogate in it.")
    return text


def _plain_key(key: Any, path: str) -> str:
    if type(key) is str:
        return key
    text = key_text(key)
    if type(text) is not str:
        raise InvalidData(f"session[{path!r}] has a key of type {type(key).__name__}. JSON's keys are text.")
    return text
