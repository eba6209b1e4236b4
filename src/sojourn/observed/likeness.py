"""like: another object of the same state, with some methods of its own before those of its class."""

from __future__ import annotations

from functools import cache
from typing import Any, TypeVar

from sojourn.core.errors import ConfigurationError

__all__ = ["like"]

T = TypeVar("T")


def like(one: T, kind: type, hidden: str, **differs: Any) -> T:
    """What `one` is and shares with it, but that `kind`'s methods come first, and for the attributes that differ.

    The method that a public one of `kind` takes the place of is there too, `hidden` before its name. `one` stays as it
    is. Raises ConfigurationError where it is of this kind already.
    """
    if isinstance(one, kind):
        raise ConfigurationError(f"This {type(one).__mro__[2].__name__} is observed already: once is enough.")
    other: T = object.__new__(_mixed(kind, type(one), hidden))  # type: ignore[arg-type]  # a class is hashable
    # One by one: a dictionary that was filled at once is slower to read.
    for name, value in (one.__dict__ | differs).items():
        setattr(other, name, value)
    return other


@cache
def _mixed(kind: type, original: type, hidden: str) -> type:
    # What comes first may have need of what it hides. To look that up at each call, as super() does, would cost as much
    # as all the rest.
    methods = {f"{hidden}{name}": getattr(original, name) for name in vars(kind) if name[0] != "_"}
    return type(f"{kind.__name__}{original.__name__}", (kind, original), methods)
