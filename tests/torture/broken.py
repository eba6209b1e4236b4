"""Sojourn's own stores, each with one promise broken, for the storms to find: $BROKEN_STORE is the URL, $BROKEN how."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from itertools import count
from typing import Any, cast

from msgspec.structs import replace

from sojourn import StoreUnavailable
from sojourn.core.record import Record
from sojourn.core.store import Applied, Commit, Create, End, Refused, Store, Watcher
from sojourn.stores.cached import CachedStore
from sojourn.stores.store_url import open_store


class Broken:
    """The store, before a subclass breaks something."""

    def __init__(self, store: Any) -> None:
        self.store = store
        self.calls = count(1)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    def get(self, id: str) -> Record | None:
        return cast(Store, self.store).get(id)

    def create(self, create: Create) -> Applied | Refused:
        return cast(Store, self.store).create(create)

    def commit(self, commit: Commit) -> Applied | Refused:
        return cast(Store, self.store).commit(commit)

    def end(self, end: End) -> Record | None:
        return cast(Store, self.store).end(end)

    def list(self, user_id: str, now: int, realm: str = "", after: str = "", limit: int = 100) -> Sequence[Record]:
        return cast(Store, self.store).list(user_id, now, realm, after, limit)


class LosesWrites(Broken):
    """Of the writes, some are answered as made and were not."""

    def commit(self, commit: Commit) -> Applied | Refused:
        return Applied(1) if next(self.calls) % 7 == 0 else super().commit(commit)


class AppliesTwice(Broken):
    """An answer is taken for lost, and what adds is asked for again."""

    def commit(self, commit: Commit) -> Applied | Refused:
        answer = super().commit(commit)
        if commit.increments and isinstance(answer, Applied):
            super().commit(replace(commit, changes={}))
        return answer


class AppendsTwice(Broken):
    """The same for a list: the second time it is loaded anew, as if it were another request's."""

    def commit(self, commit: Commit) -> Applied | Refused:
        answer, record = super().commit(commit), self.get(commit.id)
        if record and isinstance(answer, Applied):
            for key, change in commit.changes.items():
                if key.startswith("log") and change.value and record.data.get(key) == change.value:
                    value = change.value[1:-1]
                    twice = replace(change, base=change.value, value=b"[" + value + b"," + value + b"]")
                    super().commit(replace(commit, changes={key: twice}, increments={}))
        return answer


class Serves(Broken):
    """Of the ends, some are answered as made and were not."""

    def end(self, end: End) -> Record | None:
        return self.get(end.id) if next(self.calls) % 2 else super().end(end)


class ForgetsTheCap(Broken):
    def create(self, create: Create) -> Applied | Refused:
        return super().create(replace(create, limit=None))


class RefusesEarly(Broken):
    """It takes for live what is not."""

    def create(self, create: Create) -> Applied | Refused:
        limit = create.limit
        if limit and not limit.end_oldest:
            limit = replace(limit, most=limit.most - 1)
        return super().create(replace(create, limit=limit))


class MissesOne(Broken):
    def list(self, user_id: str, now: int, realm: str = "", after: str = "", limit: int = 100) -> Sequence[Record]:
        return super().list(user_id, now, realm, after, limit)[1:]


class HalfALogIn(Broken):
    """The session before a log-in ends, and then the answer is an error."""

    def create(self, create: Create) -> Applied | Refused:
        if create.ends and next(self.calls) % 3 == 0:
            self.end(End(create.ends.id, create.ends.reason, create.now))
            raise StoreUnavailable("The answer was lost.")
        return super().create(create)


class IsDeaf(Broken):
    """The cache before it is told that all is well, and of no write."""

    def watch(self, watcher: Watcher, interval: float) -> None:
        self.store.watch(Deaf(watcher), interval)


class Deaf:
    def __init__(self, watcher: Watcher) -> None:
        self.watcher = watcher

    @property
    def closed(self) -> bool:
        return self.watcher.closed

    def changed(self, ids: Iterable[str]) -> None:
        """Not told."""

    def lost(self) -> None:
        self.watcher.lost()

    def sound(self, until: float) -> None:
        self.watcher.sound(until)


def make() -> Store:
    """The store that the environment names."""
    broken = globals()[os.environ["BROKEN"]](open_store(os.environ["BROKEN_STORE"]))
    return CachedStore(broken, max_staleness=0.1) if isinstance(broken, IsDeaf) else cast(Store, broken)
