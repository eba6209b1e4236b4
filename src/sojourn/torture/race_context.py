"""RaceContext: what a race runs on — the processes, its own users, and random choices that a seed repeats."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from sojourn.core.token import Token

from .history import History
from .instance import OWNER, Instance, Visitor
from .worker import Work
from .worker_pool import WorkerCall, WorkerPool

__all__ = ["PREFIX", "TRIES", "RaceContext", "revealed"]

# In a user's id it says whose sessions these are, wherever an operator comes upon one.
PREFIX = "sojourn-torture-"
# In each round of a race.
TRIES = 50


@dataclass
class RaceContext:
    """The context of one race. Everything that it makes has a user or an id that it remembers, and ends in `tidy`."""

    pool: WorkerPool
    random: Random
    rounds: int
    name: str
    progress: Callable[[str], None]
    storm: float = 5.0
    command: str | None = None
    # What a storm's history is given to.
    keep: Callable[[History], None] = lambda history: None
    _users: set[tuple[str, str]] = field(default_factory=set)
    _ids: set[str] = field(default_factory=set)

    def user(self, number: object, realm: str = "") -> str:
        """One of the race's own users."""
        user = f"{self.name}-{number}"
        self._users.add((user, realm))
        return user

    def spread(self, count: int) -> list[int]:
        """So many processes: every one as often as any other, in any order."""
        places = [number % self.pool.size for number in range(count)]
        self.random.shuffle(places)
        return places

    def elsewhere(self, places: Sequence[int]) -> list[int]:
        """For each of the processes another one, where there is another."""
        step = 1 + self.random.randrange(max(1, self.pool.size - 1))
        return [(place + step) % self.pool.size for place in places]

    def each(self, places: Sequence[int], work: Work, args: Sequence[tuple[Any, ...]]) -> list[Any]:
        """What `work` returns for each of `args`, done at once in the processes `places`."""
        return self.pool.at_once([WorkerCall(where, work, given) for where, given in zip(places, args, strict=True)])

    def in_batches(self, work: Work, args: Sequence[tuple[Any, ...]]) -> list[Any]:
        """The same in any processes, and not more at once than a round has: there may be many."""
        results = []
        for first in range(0, len(args), TRIES):
            some = args[first : first + TRIES]
            results += self.each(self.spread(len(some)), work, some)
        return results

    def begin_sessions(self, owners: Sequence[tuple[str, str | None]], data: Mapping[str, Any] = {}) -> list[Visitor]:
        """A new session for each owner and user: logged in where there is a user."""
        given = [({OWNER: owner, **data}, user) for owner, user in owners]
        tokens = self.each(self.spread(len(owners)), begin, given)
        visitors = [Visitor(token, owner, user) for token, (owner, user) in zip(tokens, owners, strict=True)]
        self.remember(visitor.id for visitor in visitors if visitor.user is None)
        return visitors

    def remember(self, ids: Iterable[str]) -> None:
        """These sessions without a user are the race's own."""
        self._ids.update(ids)

    def log_in(self, count: int, data: Mapping[str, Any] = {}) -> list[Visitor]:
        """So many users, each with a session."""
        return self.begin_sessions(
            [(f"{self.user(number)}/{number}", self.user(number)) for number in range(count)], data
        )

    def tidy(self) -> None:
        """End all that the race made."""
        self.pool.replace_dead()
        self.in_batches(end_all, sorted(self._users))
        self.in_batches(end, [(id,) for id in sorted(self._ids)])


async def begin(instance: Instance, data: Mapping[str, Any], user: str | None) -> str:
    """A new session's token."""
    manager = instance.manager()
    session = manager.anonymous()
    session.update(data)
    if user is not None:
        session.login(user)
    return revealed((await manager.commit(session)).token)


async def end_all(instance: Instance, user: str, realm: str) -> None:
    """End the user's sessions."""
    await instance.manager(realm=realm).revoke_all(user)


async def end(instance: Instance, id: str) -> None:
    """End one session."""
    await instance.manager().revoke(id)


def revealed(token: Token | None) -> str:
    """The text of a token that must be there."""
    if token is None:
        raise AssertionError("A new session was answered without a token.")
    return token.reveal()
