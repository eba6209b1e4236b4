"""AsyncSessionManager: SessionManager's methods, awaited."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from sojourn.core.commit import DeviceLabel, Reply, plan_commit, plan_open
from sojourn.core.errors import EndReason, SessionExists, SojournError, StoreUnavailable
from sojourn.core.events import CleanedUp
from sojourn.core.info import SessionInfo, info
from sojourn.core.outcome import NOTHING_WRITTEN, POSTPONED, Backoff, Settled, as_written, carry_on, catch_up, refuse
from sojourn.core.policy import Policy
from sojourn.core.record import Client, Record
from sojourn.core.session import Session
from sojourn.core.store import Commit, Create, End, Mark, Stats, require_async
from sojourn.core.token import Random, parse

from .context import BATCH, PAUSE_BETWEEN_BATCHES, AsyncBeforeCreate, AsyncContext, Clock, OnEvent
from .device import device_label
from .turns import MAX_ATTEMPTS, NEVER_FIRST, AsyncTurns, sleep

if TYPE_CHECKING:
    from sojourn.core.async_store import AsyncStore
    from sojourn.core.binding import Judged, Shown
    from sojourn.core.outcome import Answer

__all__ = ["AsyncSessionManager", "milliseconds"]


def milliseconds() -> int:
    """Unix time, now."""
    return time.time_ns() // 1_000_000


class AsyncSessionManager(AsyncContext):
    """Sessions for an event loop: ASGI. The same methods as SessionManager, awaited."""

    def __init__(
        self,
        store: AsyncStore,
        policy: Policy | None = None,
        *,
        realm: str = "",
        on_event: OnEvent | None = None,
        before_create: AsyncBeforeCreate | None = None,
        device_label: DeviceLabel | None = device_label,
        clock: Clock = milliseconds,
        random: Random = os.urandom,
    ) -> None:
        super().__init__(policy or Policy(), realm, on_event, device_label, clock, random)
        require_async(store, "AsyncSessionManager")
        self._store = store
        self.expires_by_itself = getattr(store, "expires_by_itself", False)
        self._before_create = before_create
        self._turns = AsyncTurns()
        self._watch = getattr(store, "watch", None)
        # A cache's: most requests of a busy server need not wait for their turn in the event loop.
        self._at_hand: Callable[[str], Record | None] = getattr(store, "at_hand", lambda _: None)

    def open_at_hand(self, token: str, client: Client = Client()) -> Session | None:
        """As `open`, of a live session, bound to no key, whose record the store has at hand; None for any other."""
        parsed = parse(token)
        del token
        record = self._at_hand(parsed.id) if parsed else None
        if parsed is None or record is None or self._requires_key or record.key_thumbprint or record.secrets.key:
            return None
        session, _, _ = plan_open(record, parsed, self.policy, self.clock(), client, self.realm)
        return None if session._live is None else session

    async def open(self, token: str, client: Client = Client(), presented: Shown | None = None) -> Session:
        """The session that `token` opens, or an empty one. At most one read, and one write at a session's end.

        `presented` is what the request shows beside it. One write more where that is a proof of a key. Raises
        ProofRefused where the session is bound to a key, and nothing good is presented.
        """
        parsed = parse(token)
        del token  # A reporter of errors sends what frames hold.
        try:
            if parsed is None:
                return self._malformed(client, presented)
            record, proved = await self._store.get(parsed.id), None
            now = self.clock()
            unlocked = presented is not None and record is not None and presented.unlocks(record, self.policy, now)
            # Record.bound, written out: each request passes here.
            is_bound = record is not None and (record.key_thumbprint is not None or record.secrets.key)
            if not unlocked and (presented is not None or self._requires_key or is_bound):
                proved = self._prove(record, parsed, presented, now)
                if proved is not None and proved.at_once and proved.mark is not None:
                    await self._spend(proved.mark, proved, record)
            session, end, events = plan_open(record, parsed, self.policy, now, client, self.realm, proved, unlocked)
            if events:
                self._emit(self._attributed(events, client))
            if end is not None:
                self._emit_end(end, await self._write(end), self._actor(None, client.ip))
            if proved is not None:
                self._note(session, proved)
        except SojournError as error:
            self._refused(error)
            raise
        if self._on_open is not None:
            self._on_open(session)
        return session

    async def commit(self, session: Session) -> Reply:
        """Write what the request changed: at most one write where nobody else changed the same, normally none.

        Raises SessionEnded, SessionConflict, SessionLimitReached, ReauthenticationRequired (a grant that was used),
        ProofRefused, DataTooLarge, InvalidData or ConfigurationError (as Session.login): nothing is written, and that
        is forgotten.
        """
        try:
            settled = await self._attempt(session) or await self._catch_up(session)
        except SojournError as error:
            refuse(session, error)
            self._refused(error)
            raise
        if settled.events:
            self._emit(self._attributed(settled.events, session.client))
        return settled.reply

    async def _attempt(self, session: Session) -> Settled | None:
        """A commit, once; None where another request wrote to the session first, which is then merged."""
        now = self.clock()
        plan = plan_commit(session, self.policy, now, self._random, self.realm, self._device_label)
        if plan.write is None and not session._logged_out:
            return NOTHING_WRITTEN
        if self._before_create is not None and type(plan.write) is Create:
            await self._before_create(session.client, plan.write.record.user_id)
        if session._proved is not None and session._proved.mark is not None and type(plan.write) is Create:
            await self._spend(session._proved.mark, session._proved, None)
            session._proved = session._proved._replace(mark=None)
        settled = carry_on(session, plan, await self._write(plan.write), self.policy, now)
        if self._following is not None and type(plan.write) is Commit:
            self._following.changed((plan.write.id,))
        if settled is not None and (session._proved is not None or session._offers) and type(plan.write) is Create:
            self._born(session)
        return settled

    async def _catch_up(self, session: Session) -> Settled:
        """A commit that was overtaken, as often as it takes."""
        async with self._turns.of(session._record) as turn:
            if newer := turn.newer(session._record):
                catch_up(session, newer, self.policy)
            backoff = Backoff(time.monotonic())
            for _ in range(1, MAX_ATTEMPTS):
                if settled := await self._attempt(session):
                    turn.leave(as_written(session, settled))
                    return settled
                if pause := backoff.pause(time.monotonic(), self._random):
                    await sleep(pause)
        raise StoreUnavailable(NEVER_FIRST)

    async def _write(self, write: Create | Commit | End | None) -> Answer:
        if write is None or (self._rest.until and self._rest.holds(write, write.now)):
            return POSTPONED if write else None
        try:
            match write:
                case Commit():
                    return await self._store.commit(write)
                case Create():
                    return await self._store.create(write)
                case _:
                    return await self._store.end(write)
        except StoreUnavailable as error:
            return self._postponed(write, error)

    async def _spend(self, mark: Mark, proved: Judged, record: Record | None) -> None:
        """Use the proof up. Raises ProofRefused where it was used before."""
        if not await self._store.put_mark(mark):
            raise self._replayed(record, proved)

    async def adopt(self, ours: Create, mark: Mark) -> bool:
        """Keep a session made of another layer's, and the mark that it was; whether this call made it.

        For sojourn.adopt. Parallel requests ask it alike, so what is kept already stays as it is. Raises SessionEnded
        where the user's sessions were revoked since the old log-in.
        """
        try:
            await self._store.create(ours)
            made = True
        except SessionExists:
            made = False
        await self._store.put_mark(mark)
        if made:
            self._emit_adopted(ours)
        return made

    async def adopted(self, id: str) -> Mark | None:
        """The mark `id`, if another layer's session was adopted under it. One read. For sojourn.adopt."""
        return await self._store.get_mark(id)

    async def get(self, id: str) -> SessionInfo | None:
        """One session, live or ended, by its public id. One read."""
        record = await self._store.get(id)
        return info(record, self.clock()) if record and record.realm == self.realm else None

    async def list(self, user_id: str, *, after: str = "", limit: int = 100) -> Sequence[SessionInfo]:
        """Up to `limit` of the user's live sessions, the latest seen first.

        More than a page are asked for page by page: `after` is the greatest id of the page before.
        """
        now = self.clock()
        found = self._infos(await self._store.list(user_id, now, self.realm, after, limit), now)
        return sorted(found, key=lambda each: -each.seen_at)

    async def revoke(
        self, id: str, reason: EndReason = "revoked", *, by: str = "application", address: str = ""
    ) -> bool:
        """End one session, wherever it is open. Whether it was live until this call.

        `by` and `address` are told of with the event. Raises ConfigurationError for a `by` that Event does not have.
        """
        end, actor = End(id, reason, self.clock(), self.realm), self._actor(by, address)
        return self._emit_end(end, await self._store.end(end), actor)

    async def revoke_all(
        self,
        user_id: str,
        *,
        keep: str | None = None,
        reason: EndReason = "revoked",
        by: str = "application",
        address: str = "",
    ) -> int:
        """End all of the user's sessions at one instant, but the id `keep`; how many. For a changed password, say.

        What is under way is refused: a log-in that began before, and an old session that could be adopted. `by` and
        `address` are as for `revoke`.
        """
        now, actor = self.clock(), self._actor(by, address)
        ids = await self._store.end_all(user_id, reason, now, keep, self.realm)
        self._emit(actor.ends_all(ids, user_id, reason, now, keep))
        return len(ids)

    async def revoke_everything(
        self, on_batch: Callable[[int], None] | None = None, *, by: str = "application", address: str = ""
    ) -> int:
        """End every session of the realm; how many were live. Reads the whole store, in pages.

        Nothing that began before is created from the first moment on. `on_batch` is called with the count so far; `by`
        and `address` are as for `revoke`.
        """
        from .everything import end_everything_async  # here: hardly anybody asks for it

        return await end_everything_async(self, on_batch, self._actor(by, address))

    async def erase(self, user_id: str, *, by: str = "application", address: str = "") -> int:
        """Leave nothing of a user's sessions: no row, address or user agent, of live or of ended ones; how many.

        They end as by revoke_all first. Reads the whole store. `by` and `address` are as for `revoke`.
        """
        await self.revoke_all(user_id, by=by, address=address)
        return await self._store.erase(user_id, self.realm)

    async def delete_expired(
        self, on_batch: Callable[[int], None] | None = None, *, once_in: float | None = None
    ) -> int:
        """Drop the data of sessions that ran out, and delete rows that ended longer ago than the policy's `keep_ended`.

        How many rows were deleted. In small batches, so that requests are served meanwhile; `on_batch` is called with
        the count so far. `once_in`: in each stretch of so many seconds one of all processes on the store does it, whose
        clean-ups name the same number, and the others nothing: for them it costs one write.
        """
        from sojourn.core.cleanup import LEAST_ROWS, turn  # here: over a service it is not asked for

        now = self.clock()
        if once_in is not None and not await self._store.put_mark(turn(now, once_in)):
            return 0
        total, before = 0, now - int(self.policy.keep_ended * 1000)
        while await self._store.end_expired(now, BATCH) >= LEAST_ROWS:
            await sleep(PAUSE_BETWEEN_BATCHES)
        while deleted := await self._store.delete_expired(before, BATCH):
            total += deleted
            if on_batch:
                on_batch(total)
            await sleep(PAUSE_BETWEEN_BATCHES)
        if total:
            self._emit((CleanedUp(at=now, deleted=total, by="cleanup"),))
        return total

    async def scan(self, after: str = "", limit: int = 100) -> Sequence[SessionInfo]:
        """A page of all of the store's sessions, dead ones and other realms' too, in order of id past `after`."""
        now = self.clock()
        return self._infos(await self._store.scan(after, limit), now)

    async def stats(self) -> Stats:
        """How many sessions the store holds. May read all of it."""
        return await self._store.stats(self.clock())

    async def close(self) -> None:
        """Close the store, when those who wait for the end of a session were told that it is gone."""
        if self._following is not None:
            await self._following.close()
        await self._store.close()
