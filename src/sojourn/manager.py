"""SessionManager and AsyncSessionManager: they join a Policy and a store, and alone call the store.

Two thin shells of the same lines; what has an `if` about sessions is in commit.py."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable, Sequence

from .commit import NO_REPLY, Plan, Reply, plan_commit, plan_open, settle
from .errors import EndReason, SessionConflict, SojournError
from .events import Ended, Event, UnknownToken
from .info import SessionInfo, info
from .policy import Policy
from .record import Client, Record
from .session import Session
from .store import Applied, AsyncStore, Commit, Create, End, Refused, Stats, Store
from .token import Random, parse

__all__ = ["AsyncSessionManager", "SessionManager"]

logger = logging.getLogger("sojourn")

Clock = Callable[[], int]
OnEvent = Callable[[Event], None]

# Each refusal means that another request's change went in, so this many in a row is a storm, not a bug.
MAX_ATTEMPTS = 200
BATCH = 200
# As long again as a small batch takes, so that writers of other processes get their turn between two.
PAUSE_BETWEEN_BATCHES = 0.005


def milliseconds() -> int:
    """Unix time, now."""
    return time.time_ns() // 1_000_000


class _Shell:
    """What both managers know; nothing here does I/O but the caller's own callback."""

    def __init__(self, policy: Policy, on_event: OnEvent | None, clock: Clock, random: Random) -> None:
        self.policy = policy
        self.clock = clock
        self._on_event = on_event
        self._random = random

    def anonymous(self, client: Client = Client(), *, refused: UnknownToken | None = None) -> Session:
        """A session that does not exist yet, for a request without a token or with a `refused` one. No read."""
        if refused is not None:
            self._emit((refused,))
        return Session(None, self.clock(), client, presented=refused is not None)

    def _emit(self, events: Iterable[Event]) -> None:
        if self._on_event is None:
            return
        for event in events:
            try:
                self._on_event(event)
            # The event is true already: a listener's bug must not turn the user's answer into an error.
            except Exception:
                logger.exception("on_event failed for %s", type(event).__name__)

    def _malformed(self, client: Client) -> Session:
        return self.anonymous(client, refused=UnknownToken(at=self.clock(), cause="malformed"))

    def _emit_end(self, end: End, was: Record | None) -> bool:
        """Tell of an end that this call made; whether it ended a live session."""
        if was is None:
            return False
        ran_out = was.end_reason_at(end.now)
        self._emit_ended([was.id], was.user_id, ran_out or end.reason, end.now)
        return ran_out is None

    def _emit_ended(self, ids: Sequence[str], user_id: str | None, reason: EndReason, now: int) -> None:
        self._emit([Ended(at=now, id=id, user_id=user_id, reason=reason) for id in ids])


class SessionManager(_Shell):
    """Sessions for threads: Flask, WSGI, Django, scripts.

    `on_event` is called with each event, after it is so, in the thread that caused it. `clock` gives Unix
    milliseconds and `random` so many random bytes; both are for tests. Every method may raise StoreUnavailable.
    """

    def __init__(
        self,
        store: Store,
        policy: Policy | None = None,
        *,
        on_event: OnEvent | None = None,
        clock: Clock = milliseconds,
        random: Random = os.urandom,
    ) -> None:
        super().__init__(policy or Policy(), on_event, clock, random)
        self._store = store

    def open(self, token: str, client: Client = Client()) -> Session:
        """The session that `token` opens, or an empty one. At most one read, and one write at a session's end."""
        parsed = parse(token)
        if parsed is None:
            return self._malformed(client)
        session, end, events = plan_open(self._store.get(parsed.id), parsed, self.policy, self.clock(), client)
        if events:
            self._emit(events)
        if end is not None:
            self._emit_end(end, self._store.end(end))
        return session

    def commit(self, session: Session) -> Reply:
        """Write what the request changed: at most one write where nobody else changed the same, normally none.

        Raises SessionEnded, SessionConflict, SessionLimitReached, DataTooLarge or InvalidData: nothing is written, and
        the session forgets what it was to write.
        """
        try:
            for _ in range(MAX_ATTEMPTS):
                now = self.clock()
                plan = plan_commit(session, self.policy, now, self._random)
                if plan.write is None and not session.logged_out:
                    return NO_REPLY
                settled = settle(session, plan, self._write(plan), self.policy, now)
                if settled is not None:
                    self._emit(settled[1])
                    return settled[0]
            raise SessionConflict(tuple(session.merged))
        except SojournError as error:
            session.refused(error)
            raise

    def _write(self, plan: Plan) -> Applied | Refused | Record | None:
        match plan.write:
            case Commit() as commit:
                return self._store.commit(commit)
            case Create() as create:
                return self._store.create(create)
            case End() as end:
                return self._store.end(end)
        return None

    def get(self, id: str) -> SessionInfo | None:
        """One session, live or ended, by its public id. One read."""
        record = self._store.get(id)
        return info(record, self.clock()) if record else None

    def list(self, user_id: str) -> Sequence[SessionInfo]:
        """The user's live sessions, the latest seen first."""
        now = self.clock()
        return [info(record, now) for record in self._store.list(user_id, now)]

    def revoke(self, id: str, reason: EndReason = "revoked") -> bool:
        """End one session, wherever it is open. Whether it was live until this call."""
        end = End(id, reason, self.clock())
        return self._emit_end(end, self._store.end(end))

    def revoke_all(self, user_id: str, *, keep: str | None = None, reason: EndReason = "revoked") -> int:
        """End all of the user's sessions at one instant, but the id `keep`; how many. For a changed password, say."""
        now = self.clock()
        ids = self._store.end_all(user_id, reason, now, keep)
        self._emit_ended(ids, user_id, reason, now)
        return len(ids)

    def delete_expired(self, on_batch: Callable[[int], None] | None = None) -> int:
        """Delete the rows that ended longer ago than the policy's `keep_ended`; how many.

        In small batches, so that requests are served meanwhile; `on_batch` is called with the count so far.
        """
        before = self.clock() - int(self.policy.keep_ended * 1000)
        total = 0
        while deleted := self._store.delete_expired(before, BATCH):
            total += deleted
            if on_batch:
                on_batch(total)
            time.sleep(PAUSE_BETWEEN_BATCHES)
        return total

    def scan(self, after: str = "", limit: int = 100) -> Sequence[SessionInfo]:
        """A page of all sessions, dead ones too, in order of id from the first one past `after`."""
        now = self.clock()
        return [info(record, now) for record in self._store.scan(after, limit)]

    def stats(self) -> Stats:
        """How many sessions the store holds. May read all of it."""
        return self._store.stats(self.clock())

    def close(self) -> None:
        """Close the store."""
        self._store.close()


class AsyncSessionManager(_Shell):
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
        self._store = store

    async def open(self, token: str, client: Client = Client()) -> Session:
        """The session that `token` opens, or an empty one. At most one read, and one write at a session's end."""
        parsed = parse(token)
        if parsed is None:
            return self._malformed(client)
        session, end, events = plan_open(await self._store.get(parsed.id), parsed, self.policy, self.clock(), client)
        if events:
            self._emit(events)
        if end is not None:
            self._emit_end(end, await self._store.end(end))
        return session

    async def commit(self, session: Session) -> Reply:
        """Write what the request changed: at most one write where nobody else changed the same, normally none.

        Raises SessionEnded, SessionConflict, SessionLimitReached, DataTooLarge or InvalidData: nothing is written, and
        the session forgets what it was to write.
        """
        try:
            for _ in range(MAX_ATTEMPTS):
                now = self.clock()
                plan = plan_commit(session, self.policy, now, self._random)
                if plan.write is None and not session.logged_out:
                    return NO_REPLY
                settled = settle(session, plan, await self._write(plan), self.policy, now)
                if settled is not None:
                    self._emit(settled[1])
                    return settled[0]
            raise SessionConflict(tuple(session.merged))
        except SojournError as error:
            session.refused(error)
            raise

    async def _write(self, plan: Plan) -> Applied | Refused | Record | None:
        match plan.write:
            case Commit() as commit:
                return await self._store.commit(commit)
            case Create() as create:
                return await self._store.create(create)
            case End() as end:
                return await self._store.end(end)
        return None

    async def get(self, id: str) -> SessionInfo | None:
        """One session, live or ended, by its public id. One read."""
        record = await self._store.get(id)
        return info(record, self.clock()) if record else None

    async def list(self, user_id: str) -> Sequence[SessionInfo]:
        """The user's live sessions, the latest seen first."""
        now = self.clock()
        return [info(record, now) for record in await self._store.list(user_id, now)]

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
        """Delete the rows that ended longer ago than the policy's `keep_ended`; how many.

        In small batches, so that requests are served meanwhile; `on_batch` is called with the count so far.
        """
        from asyncio import sleep  # here: the threads' side of this module never loads an event loop

        before = self.clock() - int(self.policy.keep_ended * 1000)
        total = 0
        while deleted := await self._store.delete_expired(before, BATCH):
            total += deleted
            if on_batch:
                on_batch(total)
            await sleep(PAUSE_BETWEEN_BATCHES)
        return total

    async def scan(self, after: str = "", limit: int = 100) -> Sequence[SessionInfo]:
        """A page of all sessions, dead ones too, in order of id from the first one past `after`."""
        now = self.clock()
        return [info(record, now) for record in await self._store.scan(after, limit)]

    async def stats(self) -> Stats:
        """How many sessions the store holds. May read all of it."""
        return await self._store.stats(self.clock())

    async def close(self) -> None:
        """Close the store."""
        await self._store.close()
