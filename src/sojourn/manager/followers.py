"""Followers: who follows sessions in one event loop, and the one task and thread that bring them the news."""

from __future__ import annotations

import asyncio
import logging
import math
import threading
import time
from collections.abc import Awaitable, Callable, Collection, Iterable
from contextlib import suppress

from sojourn.core.sighting import GONE, Sighting, unseen_until
from sojourn.core.store import Watcher

__all__ = ["Follower", "Followers", "Following"]

logger = logging.getLogger("sojourn")

# Seconds: how often the clock is looked at, and, where the store tells of no writes, the store.
ROUND = 0.5
# How often a store that tells of its writes says that it would.
BEAT = 1.0
# A look at all of them takes a fifth of the time at most, however many there are.
REST = 4
# Since so long nothing was heard of a store that tells of its writes: it is asked, as one that does not.
SILENCE = 2.5
# A store's watch reconnects by itself. Where it failed altogether, it is not started again at once.
PAUSE = 5.0
# The task, and the store's connection, outlive the last who follows by so long: the next one may be near.
LINGER = 30.0
# Reads that are under way at a time.
TOGETHER = 100

Look = Callable[[str], Awaitable[Sighting]]
Watch = Callable[[Watcher, float], None]


class Follower:
    """One who follows a session: `seen` is what was last known of it."""

    __slots__ = ("_among", "_news", "id", "seen")

    def __init__(self, id: str, seen: Sighting, among: Followers) -> None:
        self.id = id
        self.seen = seen
        self._among = among
        self._news = asyncio.Event()

    async def news(self) -> Sighting:
        """What the session is, once somebody wrote to it since this was last asked, or it is over."""
        await self._news.wait()
        self._news.clear()
        return self.seen

    def leave(self) -> None:
        """Follow no more."""
        self._among.leave(self)

    def tell(self, seen: Sighting) -> None:
        """The store was looked at."""
        self.seen = seen
        self._news.set()


class Followers:
    """Those of one event loop; the Watcher of its store. `look` asks the store, whose `watch` there may not be.

    `changed`, `lost` and `sound` may be called, and `count` read, from any thread.
    """

    def __init__(
        self,
        look: Look,
        watch: Watch | None,
        clock: Callable[[], int],
        leave: Callable[[], None],
        linger: float = LINGER,
    ) -> None:
        self._look = look
        self._watch = watch
        self._clock = clock
        self._leave = leave
        self._linger = linger
        self._loop = asyncio.get_running_loop()
        self._by_id: dict[str, list[Follower]] = {}
        self.count = 0
        self._due: set[str] = set()
        self._wake = asyncio.Event()
        self._sound_until = -math.inf
        self._is_out = False
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self._task = self._loop.create_task(self._run(), name="sojourn-followers")

    @property
    def closed(self) -> bool:
        """As Watcher.closed."""
        return self._over.is_set() or self._loop.is_closed()

    def follow(self, id: str, expires_at: float = math.inf) -> Follower:
        """Follow a session from now on, live until `expires_at` as far as is known: a look at it is the first news."""
        follower = Follower(id, unseen_until(expires_at), self)
        self._by_id.setdefault(id, []).append(follower)
        self.count += 1
        self._ask_after((id,))
        return follower

    def leave(self, follower: Follower) -> None:
        """As Follower.leave."""
        others = self._by_id.get(follower.id, [])
        if follower not in others:
            return
        others.remove(follower)
        self.count -= 1
        if not others:
            del self._by_id[follower.id]

    def changed(self, ids: Iterable[str]) -> None:
        """As Watcher.changed; what this manager wrote too."""
        followed = [id for id in ids if id in self._by_id]
        if followed:
            self._soon(followed)

    def lost(self) -> None:
        """As Watcher.lost. Whatever was missed meanwhile, a look at each shows."""
        self._sound_until = -math.inf
        self._soon(None)

    def sound(self, until: float) -> None:
        """As Watcher.sound."""
        self._sound_until = until

    async def close(self) -> None:
        """Nobody can be told any more: to all that wait, their session is gone."""
        with suppress(RuntimeError):  # as in _soon
            self._loop.call_soon_threadsafe(self._task.cancel)
        if self._loop is asyncio.get_running_loop():
            await asyncio.wait([self._task])

    def _soon(self, ids: Collection[str] | None) -> None:
        with suppress(RuntimeError):  # the loop is closed, and nobody waits there
            self._loop.call_soon_threadsafe(self._ask_after, ids)

    def _ask_after(self, ids: Collection[str] | None) -> None:
        self._due.update(self._by_id if ids is None else ids)
        self._wake.set()

    async def _run(self) -> None:
        try:
            await self._keep_looking()
        finally:
            self._over.set()
            self._leave()
            for follower in [each for those in self._by_id.values() for each in those]:
                follower.tell(GONE)
            if self._thread is not None:
                await asyncio.to_thread(self._thread.join, PAUSE)  # it closes its connections

    def _start_watching(self, watch: Watch) -> threading.Thread:
        thread = threading.Thread(target=self._keep_watching, args=(watch,), name="sojourn-followers", daemon=True)
        thread.start()
        return thread

    def _keep_watching(self, watch: Watch) -> None:
        level = logging.WARNING
        while not self.closed:
            try:
                watch(self, BEAT)
            except Exception as error:  # noqa: BLE001  # whatever it is, there is the other way
                logger.log(level, "nobody tells of writes, so the store is asked every %g s: %s", ROUND, error)
                level = logging.DEBUG
            self.lost()
            self._over.wait(PAUSE)

    async def _keep_looking(self) -> None:
        round_at = needed_at = time.monotonic()
        while (now := time.monotonic()) < needed_at + self._linger or self._by_id:
            if now >= round_at:
                self._begin_round(now)
                round_at = now + ROUND
            if self._by_id:
                needed_at = now
            due, self._due = self._due, set()
            self._wake.clear()
            await self._look_at([id for id in due if id in self._by_id])
            if self._watch is not None and self._thread is None:
                # After a first look, with which a store's cache begins. What was written meanwhile is missed by nobody:
                # who watches begins by asking after all.
                self._thread = self._start_watching(self._watch)
            rest = REST * (time.monotonic() - now) if len(due) > TOGETHER else 0
            round_at = max(round_at, time.monotonic() + rest)
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, round_at - time.monotonic())):
                    await self._wake.wait()

    def _begin_round(self, now: float) -> None:
        if now - self._sound_until > SILENCE:
            self._due.update(self._by_id)
            return
        clock = self._clock()
        self._due.update(id for id, those in self._by_id.items() if those[0].seen.expires_at <= clock)

    async def _look_at(self, ids: list[str]) -> None:
        for start in range(0, len(ids), TOGETHER):
            some = ids[start : start + TOGETHER]
            answers = await asyncio.gather(*map(self._look, some), return_exceptions=True)
            for id, answer in zip(some, answers, strict=True):
                self._take(id, answer)
            if all(isinstance(answer, BaseException) for answer in answers):
                # The others would each wait as long for nothing, and those past their end among them.
                for id in ids[start + TOGETHER :]:
                    self._take(id, answers[0])
                return

    def _take(self, id: str, answer: Sighting | BaseException) -> None:
        those = self._by_id.get(id, ())
        if isinstance(answer, BaseException):
            self._begin_outage(answer)
            # What the store said last holds for as long as it said, and no longer.
            over = [each for each in those if each.seen.expires_at <= self._clock()]
            for follower in over:
                follower.tell(GONE)
            self._due.add(id)  # asked again with the next round
            return
        self._is_out = False
        for follower in those:
            follower.tell(answer)

    def _begin_outage(self, error: BaseException) -> None:
        if not self._is_out:
            logger.warning("those who follow sessions wait for the store to answer again: %s", error)
        self._is_out = True


class Following:
    """Those who follow sessions of one manager, in each event loop that it is used in."""

    def __init__(self, look: Look, watch: Watch | None, clock: Callable[[], int]) -> None:
        self._look = look
        self._watch = watch
        self._clock = clock
        # Not changed in place: other threads go through it.
        self._by_loop: dict[asyncio.AbstractEventLoop, Followers] = {}

    @property
    def count(self) -> int:
        """How many follow a session. For any thread."""
        return sum(here.count for here in self._by_loop.values())

    def follow(self, id: str, expires_at: float) -> Follower:
        """As Followers.follow, in this event loop."""
        loop = asyncio.get_running_loop()
        here = self._by_loop.get(loop)
        if here is None:
            here = Followers(self._look, self._watch, self._clock, lambda: self._forget(loop))
            self._by_loop = {**self._by_loop, loop: here}
        return here.follow(id, expires_at)

    def changed(self, ids: Collection[str]) -> None:
        """Of what its own manager writes all hear at once, whatever the store."""
        for here in self._by_loop.values():
            here.changed(ids)

    async def close(self) -> None:
        """Nobody can be told any more."""
        for here in self._by_loop.values():
            await here.close()

    def _forget(self, loop: asyncio.AbstractEventLoop) -> None:
        self._by_loop = {other: those for other, those in self._by_loop.items() if other is not loop}
