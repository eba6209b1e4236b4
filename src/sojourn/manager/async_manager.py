"""AsyncSessionManager: SessionManager's methods, awaited."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence

from sojourn.core.commit import NO_REPLY, Reply, plan_commit, plan_open
from sojourn.core.errors import EndReason, SessionConflict, SessionExists, SojournError, StoreUnavailable
from sojourn.core.info import SessionInfo, info
from sojourn.core.outcome import POSTPONED, Answer, Backoff, carry_on, refuse
from sojourn.core.policy import Policy
from sojourn.core.record import Client, Record
from sojourn.core.session import Session
from sojourn.core.store import AsyncStore, Commit, Create, End, Stats, require_async
from sojourn.core.token import Random, parse

from .context import Clock, ManagerContext, OnEvent

__all__ = ["BATCH", "MAX_ATTEMPTS", "PAUSE_BETWEEN_BATCHES", "AsyncSessionManager", "milliseconds"]

# Each refusal means that another request's change went in, so this many in a row, some six seconds' worth, is a storm.
MAX_ATTEMPTS = 50
BATCH = 200
# As long again as a small batch takes, so that writers of other processes get their turn between two.
PAUSE_BETWEEN_BATCHES = 0.005


def milliseconds() -> int:
    """Unix time, now."""
    return time.time_ns() // 1_000_000


class AsyncSessionManager(ManagerContext):
    """Sessions for an event loop: ASGI. The same methods as SessionManager, awaited."""

    def __init__(
        self,
        store: AsyncStore,
        policy: Policy | None = None,
        *,
        on_event: OnEvent | None = None,
        clock: Clock = milliseconds,
        random: Random = os.urandom,
    ) -> None:
        super().__init__(policy or Policy(), on_event, clock, random)
        require_async(store, "AsyncSessionManager")
        self._store = store
        # A cache's: most requests of a busy server need not wait for their turn in the event loop.
        self._at_hand: Callable[[str], Record | None] = getattr(store, "at_hand", lambda _: None)

    def open_at_hand(self, token: str, client: Client = Client()) -> Session | None:
        """As `open`, of a live session whose record the store has at hand; None for any other, which `open` opens."""
        parsed = parse(token)
        record = self._at_hand(parsed.id) if parsed else None
        if parsed is None or record is None:
            return None
        session, _, _ = plan_open(record, parsed, self.policy, self.clock(), client)
        return None if session._live is None else session

    async def open(self, token: str, client: Client = Client()) -> Session:
        """As SessionManager.open."""
        parsed = parse(token)
        if parsed is None:
            return self._malformed(client)
        session, end, events = plan_open(await self._store.get(parsed.id), parsed, self.policy, self.clock(), client)
        if events:
            self._emit(events)
        if end is not None:
            self._emit_end(end, await self._write(end))
        return session

    async def commit(self, session: Session) -> Reply:
        """As SessionManager.commit."""
        try:
            backoff = Backoff(time.monotonic())
            for _ in range(MAX_ATTEMPTS):
                now = self.clock()
                plan = plan_commit(session, self.policy, now, self._random)
                if plan.write is None and not session._logged_out:
                    return NO_REPLY
                settled = carry_on(session, plan, await self._write(plan.write), self.policy, now)
                if settled is not None:
                    self._emit(settled.events)
                    return settled.reply
                if pause := backoff.pause(time.monotonic(), self._random):
                    await _sleep(pause)
            raise SessionConflict(tuple(session._merged))
        except SojournError as error:
            refuse(session, error)
            raise

    async def _write(self, write: Create | Commit | End | None) -> Answer:
        if write is None or self._rest.holds(write, write.now):
            return POSTPONED if write else None
        try:
            match write:
                case Commit():
                    return await self._store.commit(write)
                case Create():
                    return await self._store.create(write)
                case End():
                    return await self._store.end(write)
        except StoreUnavailable as error:
            return self._postponed(write, error)

    async def adopt(self, ours: Create, mark: Create) -> bool:
        """As SessionManager.adopt."""
        made = await self._keep(ours)
        await self._keep(mark)
        if made:
            self._emit_adopted(ours)
        return made

    async def _keep(self, create: Create) -> bool:
        try:
            await self._store.create(create)
        except SessionExists:
            return False
        return True

    async def get(self, id: str) -> SessionInfo | None:
        """One session, live or ended, by its public id. One read."""
        record = await self._store.get(id)
        return info(record, self.clock()) if record else None

    async def list(self, user_id: str) -> Sequence[SessionInfo]:
        """The user's live sessions, the latest seen first."""
        now = self.clock()
        return self._infos(await self._store.list(user_id, now), now)

    async def revoke(self, id: str, reason: EndReason = "revoked") -> bool:
        """End one session, wherever it is open. Whether it was live until this call."""
        end = End(id, reason, self.clock())
        return self._emit_end(end, await self._store.end(end))

    async def revoke_all(self, user_id: str, *, keep: str | None = None, reason: EndReason = "revoked") -> int:
        """End all of the user's sessions at one instant, but the id `keep`; how many. For a changed password, say."""
        now = self.clock()
        ids = await self._store.end_all(user_id, reason, now, keep)
        self._emit_ended(ids, user_id, reason, now)
        return len(ids)

    async def delete_expired(self, on_batch: Callable[[int], None] | None = None) -> int:
        """As SessionManager.delete_expired."""
        total, before = 0, self.clock() - int(self.policy.keep_ended * 1000)
        while deleted := await self._store.delete_expired(before, BATCH):
            total += deleted
            if on_batch:
                on_batch(total)
            await _sleep(PAUSE_BETWEEN_BATCHES)
        return total

    async def scan(self, after: str = "", limit: int = 100) -> Sequence[SessionInfo]:
        """A page of all sessions, dead ones too, in order of id from the first one past `after`."""
        now = self.clock()
        return self._infos(await self._store.scan(after, limit), now)

    async def stats(self) -> Stats:
        """How many sessions the store holds. May read all of it."""
        return await self._store.stats(self.clock())

    async def close(self) -> None:
        """Close the store."""
        await self._store.close()


async def _sleep(seconds: float) -> None:
    from asyncio import sleep  # here: the threads' side of this module never loads an event loop

    await sleep(seconds)
