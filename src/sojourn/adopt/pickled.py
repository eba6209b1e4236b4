"""The plain data in a pickle, read without running the pickle.

Django's caches pickle what they keep. A pickle is a program; pickletools takes it apart and runs nothing. What is not
text, a number, a list or a dict of those is an instruction that no one here knows, and then nothing is read at all.
"""

from __future__ import annotations

import pickletools  # not pickle: it executes nothing
from typing import Any

from .layer import MAX_BYTES

__all__ = ["NotPlainError", "plain_data"]


class NotPlainError(Exception):
    """There is more than plain data in it."""


_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_VALUES = {
    *("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"),
    *("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES"),
}
_PUT = {"BINPUT", "LONG_BINPUT"}
_GET = {"BINGET", "LONG_BINGET"}
_TUPLES = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_MARK = object()


def plain_data(raw: bytes) -> Any:
    """The value of a pickle of protocol 2 or later. Raises NotPlainError for a class, a call, or what is no pickle."""
    if len(raw) > MAX_BYTES:
        raise NotPlainError
    reader = _Reader()
    try:
        for opcode, argument, _ in pickletools.genops(raw):
            reader.step(opcode.name, argument)
        [value] = reader.stack
    # What pickletools raises for junk, and what a short stack does.
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise NotPlainError from error
    return value


class _Reader:
    """A stack of values, as the machine of a pickle has it."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def step(self, name: str, argument: Any) -> None:
        """Do what one instruction says."""
        stack = self.stack
        if name in _VALUES:
            stack.append(argument)
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name in ("EMPTY_DICT", "EMPTY_LIST", "MARK"):
            stack.append({"EMPTY_DICT": {}, "EMPTY_LIST": [], "MARK": _MARK}[name])
        elif name in ("MEMOIZE", *_PUT):
            self._memo[len(self._memo) if name == "MEMOIZE" else argument] = stack[-1]
        elif name in _GET:
            stack.append(self._text(argument))
        elif name not in ("PROTO", "FRAME", "STOP"):
            self._gather(name)

    def _text(self, index: int) -> str:
        # Only text: lists within lists within lists, each twice, would be a small pickle and a large value.
        value = self._memo[index]
        if not isinstance(value, str):
            raise NotPlainError
        return value

    def _gather(self, name: str) -> None:
        stack = self.stack
        if name in _TUPLES:
            count = _TUPLES[name]
            members = [stack.pop() for _ in range(count)][::-1]
            stack.append(tuple(members))
        elif name == "TUPLE":
            stack.append(tuple(self._since_mark()))
        elif name in ("APPEND", "APPENDS"):
            added = [stack.pop()] if name == "APPEND" else self._since_mark()
            _of(list, stack[-1]).extend(added)
        elif name in ("SETITEM", "SETITEMS"):
            pairs = [stack.pop(), stack.pop()][::-1] if name == "SETITEM" else self._since_mark()
            _of(dict, stack[-1]).update(zip(pairs[::2], pairs[1::2], strict=True))
        else:
            raise NotPlainError

    def _since_mark(self) -> list[Any]:
        stack = self.stack
        start = max(index for index, value in enumerate(stack) if value is _MARK)
        members = stack[start + 1 :]
        del stack[start:]
        return members


def _of(kind: type, value: Any) -> Any:
    if type(value) is not kind:
        raise NotPlainError
    return value
