"""AuditTrail: what a trail is told, whatever keeps it."""

from __future__ import annotations

import os
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from threading import Lock
from typing import Any

from sojourn.core.actor import Actor
from sojourn.core.events import Event

from .entry import Entry, entry_of, made_entry

__all__ = ["AuditTrail", "milliseconds", "writing"]

writing = Lock()
"""Held while an entry is written, by any trail of this process. Nobody forks then: the child could write none."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=writing.acquire, after_in_parent=writing.release, after_in_child=writing.release)


def milliseconds() -> int:
    """The time by this machine, in Unix milliseconds."""
    return time.time_ns() // 1_000_000


class AuditTrail(ABC):
    """A chain of entries, each with the hash of the one before: a file, or a table of a store."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock

    def __call__(self, event: Event) -> None:
        """Write what the trail tells of an event, if anything. Raises as `append`."""
        entry = entry_of(event)
        if entry is not None:
            self.append(entry)

    def note(self, what: str, *, by: str, address: str = "", user_id: str | None = None, **more: Any) -> None:
        """Write something that is no event of ours: a role that was given, say. `by` is as Event has it.

        `more` holds texts, numbers and lists of them. Raises ConfigurationError for a `by` or a name that is none, and
        as `append`.
        """
        actor = Actor.named(by, address)
        self.append(made_entry(what, self._clock(), actor.by, actor.address, user_id, more))

    @abstractmethod
    def append(self, entry: Entry) -> None:
        """Write an entry that was made already. Raises where it cannot be written."""

    @abstractmethod
    def close(self) -> None:
        """Let go of files and connections."""
