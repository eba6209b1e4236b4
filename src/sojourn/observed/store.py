"""ObservedStore: a store, each of whose operations is watched. With a cache, it is the store behind the cache."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import Any

__all__ = ["OPERATIONS", "ObservedStore", "Watch", "observed_store"]

OPERATIONS = (
    *("get", "create", "commit", "end", "end_all", "bar", "list", "erase", "put_mark", "get_mark", "put_bar"),
    *("marks", "bars", "end_expired", "delete_expired", "scan", "stats"),
)
"""What a store is asked: all of its protocol but `close`."""

Watch = Callable[[str, Callable[..., Any]], Callable[..., Any]]
"""Makes of an operation's name, and of the method, another one that takes the same and answers the same."""


class ObservedStore:
    """`store`, whose operations are what `watch` makes of them. Whatever else is public of it is here as it now is."""

    def __init__(self, store: Any, watch: Watch) -> None:
        # Each is put here, for a __getattr__ would make a look at any attribute a call.
        for name in dir(store):
            if name[0] != "_":
                found = getattr(store, name)
                setattr(self, name, watch(name, found) if name in OPERATIONS else found)


def observed_store(store: Any, watch: Watch) -> Any:
    """`store` observed. Of one with a cache, that is what is behind the cache: a record at hand is no operation."""
    if not hasattr(store, "_channel"):
        return ObservedStore(store, watch)
    cached = copy(store)
    cached._store = ObservedStore(store._store, watch)
    return cached
