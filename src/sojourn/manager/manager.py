"""SessionManager: carries between a request and a store. What has an `if` about sessions is the core's."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence

from sojourn.core.commit import NO_REPLY, Reply, plan_commit, plan_open
from sojourn.core.errors import EndReason, SessionConflict, SessionExists, SojournError, StoreUnavailable
from sojourn.core.info import SessionInfo, info
from sojourn.core.outcome import POSTPONED, Answer, Backoff, carry_on, refuse
from sojourn.core.policy import Policy
from sojourn.core.record import Client
from sojourn.core.session import Session
from sojourn.core.store import Commit, Create, End, Stats, Store, require_threads
from sojourn.core.token import Random, parse

from .async_manager import BATCH, MAX_ATTEMPTS, PAUSE_BETWEEN_BATCHES, milliseconds
from .context import Clock, ManagerContext, OnEvent

__all__ = ["SessionManager"]


class SessionManager(ManagerContext):
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
        require_threads(store, "SessionManager")
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
            self._emit_end(end, self._write(end))
        return session

    def commit(self, session: Session) -> Reply:
        """Write what the request changed: at most one write where nobody else changed the same, normally none.

        Raises SessionEnded, SessionConflict, SessionLimitReached, DataTooLarge or InvalidData: nothing is written, and
        the session forgets what it was to write.
        """
        try:
            backoff = Backoff(time.monotonic())
            for _ in range(MAX_ATTEMPTS):
                now = self.clock()
                plan = plan_commit(session, self.policy, now, self._random)
                if plan.write is None and not session._logged_out:
                    return NO_REPLY
                settled = carry_on(session, plan, self._write(plan.write), self.policy, now)
                if settled is not None:
                    self._emit(settled.events)
                    return settled.reply
                if pause := backoff.pause(time.monotonic(), self._random):
                    time.sleep(pause)
            raise SessionConflict(tuple(session._merged))
        except SojournError as error:
            refuse(session, error)
            raise

    def _write(self, write: Create | Commit | End | None) -> Answer:
        if write is None or self._rest.holds(write, write.now):
            return POSTPONED if write else None
        try:
            match write:
                case Commit():
                    return self._store.commit(write)
                case Create():
                    return self._store.create(write)
                case End():
                    return self._store.end(write)
        except StoreUnavailable as error:
            return self._postponed(write, error)

    def adopt(self, ours: Create, mark: Create) -> bool:
        """Keep a session made of another layer's, and the mark that it was; whether this call made it.

        For sojourn.adopt. Parallel requests ask it alike, so what is kept already stays as it is.
        """
        made = self._keep(ours)
        self._keep(mark)
        if made:
            self._emit_adopted(ours)
        return made

    def _keep(self, create: Create) -> bool:
        try:
            self._store.create(create)
        except SessionExists:
            return False
        return True

    def get(self, id: str) -> SessionInfo | None:
        """One session, live or ended, by its public id. One read."""
        record = self._store.get(id)
        return info(record, self.clock()) if record else None

    def list(self, user_id: str) -> Sequence[SessionInfo]:
        """The user's live sessions, the latest seen first."""
        now = self.clock()
        return self._infos(self._store.list(user_id, now), now)

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
        total, before = 0, self.clock() - int(self.policy.keep_ended * 1000)
        while deleted := self._store.delete_expired(before, BATCH):
            total += deleted
            if on_batch:
                on_batch(total)
            time.sleep(PAUSE_BETWEEN_BATCHES)
        return total

    def scan(self, after: str = "", limit: int = 100) -> Sequence[SessionInfo]:
        """A page of all sessions, dead ones too, in order of id from the first one past `after`."""
        now = self.clock()
        return self._infos(self._store.scan(after, limit), now)

    def stats(self) -> Stats:
        """How many sessions the store holds. May read all of it."""
        return self._store.stats(self.clock())

    def close(self) -> None:
        """Close the store."""
        self._store.close()
