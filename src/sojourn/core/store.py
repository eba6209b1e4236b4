"""Store: where records are kept. The writes it is asked for, what it answers, and the protocol.

A store judges no policy. It applies each write in one atomic step or not at all, and an ended session never
changes again. `sojourn.testing.StoreContract` is this page as tests: what passes it is a store.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from inspect import iscoroutinefunction
from typing import Protocol

import msgspec

from .errors import ConfigurationError, EndReason
from .record import Record, Secrets

__all__ = [
    "Applied",
    "Bar",
    "Change",
    "Commit",
    "Create",
    "End",
    "Ends",
    "Limit",
    "Mark",
    "Refused",
    "Stats",
    "Store",
    "WatchableStore",
    "Watcher",
    "require_async",
    "require_threads",
]


class Change(msgspec.Struct, frozen=True):
    """One key's value as the request loaded it and as it should be, in encoded JSON; None where there is none."""

    base: bytes | None
    value: bytes | None


class Commit(msgspec.Struct, frozen=True, kw_only=True):
    """What a request changes in a live session, and what must still be so for it to apply.

    Times are Unix milliseconds. `increments` are added to integers, a missing one counting as 0. `seen_at` moves the
    idle timeout and counts for this commit's own judgement of "live": forward only, but that no session is left as seen
    after `now`. `secrets` are the ones loaded and the ones to put in their place. `max_bytes` bounds the data after the
    change, as encoded JSON.
    """

    id: str
    now: int
    changes: Mapping[str, Change] = {}
    increments: Mapping[str, int] = {}
    seen_at: int | None = None
    secrets: tuple[Secrets, Secrets] | None = None
    max_bytes: int


class Ends(msgspec.Struct, frozen=True):
    """The session that a new one takes the place of. `version`, if given, is the one its data was carried from."""

    id: str
    reason: EndReason
    version: int | None


class Limit(msgspec.Struct, frozen=True):
    """The `most` live sessions a user may have, the new one among them. `end_oldest`, or refuse the new one."""

    most: int
    end_oldest: bool


class Create(msgspec.Struct, frozen=True, kw_only=True):
    """A new session, the one it ends, and the limit that it must keep: all or nothing. Times are Unix milliseconds.

    The record's id is one that sojourn.core.token.mint makes for its user. `began_at` is when that began which leads to
    this session: the request, or the log-in at another layer whose session is adopted.
    """

    record: Record
    now: int
    began_at: int
    ends: Ends | None = None
    limit: Limit | None = None


class End(msgspec.Struct, frozen=True):
    """A session's end: its data goes, its row stays to say why. A session of another realm is not ended.

    `now` is in Unix milliseconds.
    """

    id: str
    reason: EndReason
    now: int
    realm: str = ""


class Mark(msgspec.Struct, frozen=True):
    """That something was used up, and is not to be used again: no session itself.

    Another layer's session that was adopted, or the proof of a key. `id` names it, `session_id` the session of ours
    that it was used for, if any. It is kept until `ends_at`, in Unix milliseconds, when it is worth nothing any more.
    """

    id: str
    session_id: str
    ends_at: int


class Bar(msgspec.Struct, frozen=True):
    """An instant before which nothing may have begun that is created: what `bar` and `end_all` keep.

    `user` is as hash_user names it, or "" for everybody. `at` is in Unix milliseconds.
    """

    realm: str
    user: str
    at: int

    @property
    def id(self) -> str:
        """What orders them: one of a realm, one of each user there."""
        return f"{self.realm}:{self.user}"


class Applied(msgspec.Struct, frozen=True):
    """The write was made. `version` is the data's version now; `ended` are ids that had to go for the limit."""

    version: int
    ended: tuple[str, ...] = ()


class Refused(msgspec.Struct, frozen=True):
    """Nothing was written. `record` is the session as it is now, None where the store has none."""

    record: Record | None


class Stats(msgspec.Struct, frozen=True):
    """How many sessions a store holds. `expired` ran out and were not yet noticed; `bytes` is 0 where unknown.

    `users` are those with a live session, and `bound` the live sessions whose token needs a key.
    """

    live: int
    ended: int
    expired: int
    users: int
    bound: int
    bytes: int


class Store(Protocol):
    """Where records are kept, for threads. Any method may raise StoreUnavailable: a write may then be made or not.

    Times are Unix milliseconds, and `now` is the manager's: a store looks at no clock of its own to judge a session.
    """

    def get(self, id: str) -> Record | None:
        """The record, live or ended; None where there is none. One read."""

    def create(self, create: Create) -> Applied | Refused:
        """Keep a new record. Refused, with the session to be ended, if that is not live or has another version.

        Raises SessionExists for an id that is taken, SessionLimitReached where the limit refuses, and SessionEnded
        ("revoked") for what began before `bar` or the user's `end_all`: see sojourn.stores.may_begin.
        """

    def commit(self, commit: Commit) -> Applied | Refused:
        """Change a live session. Refused if it is not live, or a key or the secrets are not as they were loaded.

        Never creates. Raises DataTooLarge where the data would pass `max_bytes`. One write.
        """

    def end(self, end: End) -> Record | None:
        """End a session. The record as it was, if this call is the one that ended it; else None.

        Either way the end is then as safe as the store makes one, also where another call made it: it may not have been
        on a replica yet. One that had run out before keeps that as its reason. For idle_timeout or absolute_timeout,
        one that is live is not ended: somebody was seen since the caller's read.
        """

    def end_all(
        self, user_id: str, reason: EndReason, now: int, keep: str | None = None, realm: str = ""
    ) -> Sequence[str]:
        """End every session that the user has at one instant, but `keep`; the ids of those that were live.

        From its first step on nothing of the user's that began before `now` can be created, for 400 days. A store may
        take several steps for very many sessions: StoreUnavailable may mean then that some of them ended.
        """

    def bar(self, now: int, realm: str = "") -> None:
        """From here on nothing is created that began before `now`, whoever's it is, for 400 days.

        Who ends all sessions that there are after it has ended all: none can come that it did not see.
        """

    def list(self, user_id: str, now: int, realm: str = "", after: str = "", limit: int = 100) -> Sequence[Record]:
        """Up to `limit` of the user's live sessions, in order of id from the first one past `after`."""

    def erase(self, user_id: str, realm: str = "") -> int:
        """Delete every row of the user's, live and dead; how many. What `end_all` keeps beside them holds no name."""

    def put_mark(self, mark: Mark) -> bool:
        """Keep a mark; whether this call did. One that is there stays as it is: of many callers one is told True."""

    def get_mark(self, id: str) -> Mark | None:
        """The mark, until it ends; None where there is none."""

    def put_bar(self, bar: Bar) -> None:
        """Keep an instant that was set elsewhere, where none is later, and end nothing."""

    def marks(self, after: str, limit: int) -> Sequence[Mark]:
        """Up to `limit` marks, in order of id from the first one past `after`. May read all of them."""

    def bars(self, after: str, limit: int) -> Sequence[Bar]:
        """Up to `limit` instants, in order of id from the first one past `after`. May read all of them."""

    def end_expired(self, now: int, limit: int) -> int:
        """End up to `limit` sessions that ran out and were not noticed since: their data goes. Delete marks that ended.

        How many it were, of both `limit` at most, and 0 once there are none: a store may stop before, so that others
        write. One that drops marks by itself may leave them to that.
        """

    def delete_expired(self, before: int, limit: int) -> int:
        """Delete up to `limit` rows that stopped being live before `before`; how many it were, as `end_expired`."""

    def scan(self, after: str, limit: int) -> Sequence[Record]:
        """Up to `limit` records, dead ones too, in order of id from the first one past `after`."""

    def stats(self, now: int) -> Stats:
        """Counts over the whole store. May read all of it."""

    def close(self) -> None:
        """Let go of files and connections. The store is not used after it."""


class Watcher(Protocol):
    """Who is told of writes: a cache. Its methods may be called from any thread, and return at once."""

    @property
    def closed(self) -> bool:
        """Whether it wants to hear no more."""

    def changed(self, ids: Iterable[str]) -> None:
        """These records were written, ended or deleted, by whomever."""

    def lost(self) -> None:
        """Writes may have been missed: the channel was cut, or is only now set up. Before it, nothing is told."""

    def sound(self, until: float) -> None:
        """Every write made before `until`, in seconds of time.monotonic(), has been told."""


class WatchableStore(Store, Protocol):
    """A store that tells of every write: what CachedStore needs."""

    def watch(self, watcher: Watcher, interval: float) -> None:
        """Tell `watcher` of writes until it is closed, reconnecting when cut. Blocks: for a thread of its own.

        Every `interval` seconds a beat goes through the channel itself, so that silence is told from quiet.
        """


def require_threads(store: object, taker: str) -> None:
    """Raise ConfigurationError for a store whose methods must be awaited, where `taker` cannot."""
    if iscoroutinefunction(getattr(store, "get", None)):
        raise ConfigurationError(
            f"{taker} is for threads, and {type(store).__name__} for an event loop. Take open_store(), or the "
            f"Async{taker}."
        )


def require_async(store: object, taker: str) -> None:
    """Raise ConfigurationError for a store whose methods block, where `taker` must await them."""
    if store is not None and not iscoroutinefunction(getattr(store, "get", None)):
        raise ConfigurationError(
            f"{taker} is for an event loop, and {type(store).__name__} for threads: its methods are no coroutines. "
            f"Take open_async_store(), or the {taker.removeprefix('Async')}."
        )
