"""ManagerContext: what both managers know. Nothing here does I/O but the caller's own callback."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Awaitable, Callable, Iterable
from functools import cache
from typing import TYPE_CHECKING, Any, Self

from sojourn.core.commit import REST_MS, DeviceLabel, Rest, is_upkeep
from sojourn.core.errors import ConfigurationError, ProofRefused, StoreUnavailable, UnreadableRecord
from sojourn.core.events import (
    Adopted,
    Event,
    RefreshSkipped,
    RotationStalled,
    SessionCreated,
    TokenReused,
    UnknownToken,
    UnprovedToken,
)
from sojourn.core.info import SessionInfo, info
from sojourn.core.outcome import POSTPONED, Answer, Postponed
from sojourn.core.policy import Policy
from sojourn.core.record import Client, Record
from sojourn.core.session import Session
from sojourn.core.store import Commit, Create, End
from sojourn.core.token import Random, Token

if TYPE_CHECKING:
    from sojourn.core.actor import Actor
    from sojourn.core.async_store import AsyncStore
    from sojourn.core.binding import Judged, Shown
    from sojourn.core.errors import EndReason, SojournError
    from sojourn.core.sighting import Sighting
    from sojourn.core.transport import Transport

    from .followers import Follower, Following

__all__ = [
    "REALM_PATTERN",
    "AsyncBeforeCreate",
    "AsyncContext",
    "BeforeCreate",
    "Clock",
    "ManagerContext",
    "OnEvent",
]

logger = logging.getLogger("sojourn")

BATCH = 200
# As long again as a small batch takes, so that writers of other processes get their turn between two.
PAUSE_BETWEEN_BATCHES = 0.005

REALM_PATTERN = "^[a-z0-9_-]{0,32}$"
_realm = re.compile(REALM_PATTERN).fullmatch

Clock = Callable[[], int]
OnEvent = Callable[[Event], None]
BeforeCreate = Callable[[Client, str | None], None]
"""Called before a session is made, with the client and the user's id, None for an anonymous one. It may raise
SessionRefused, or wait."""
AsyncBeforeCreate = Callable[[Client, str | None], Awaitable[None]]
"""The same, awaited."""


@cache
def _prover() -> Callable[[Record | None, Token | None, Shown | None, Policy, int, Random], Judged | None]:
    from sojourn.core.binding import prove  # here: most applications bind no session

    return prove


class ManagerContext:
    """A policy, a clock and a listener, and what is the same with threads and with an event loop."""

    expires_by_itself = False
    """Whether the store deletes what is over without being asked, so that traffic need not clean up."""

    def __init__(
        self,
        policy: Policy,
        realm: str,
        on_event: OnEvent | None,
        device_label: DeviceLabel | None,
        clock: Clock,
        random: Random,
    ) -> None:
        if not _realm(realm):
            raise ConfigurationError(f"realm={realm!r}: give up to 32 lower-case letters, digits, - or _.")
        self.policy = policy
        self.realm = realm
        self.clock = clock
        self._on_event = on_event
        self._device_label = device_label
        self._random = random
        self._rest = Rest()
        # Asked at each open: whether a session without a key is refused.
        self._requires_key = policy.binding == "require"
        self._on_open: Callable[[Session], None] | None = None
        """For who counts opens: told what each came to, but for a token of no shape, which is an event."""

    def _as_of(self, now: int) -> Self:
        """The same manager, by whose clock it is this moment. Costs a tenth of a new one."""
        other = object.__new__(type(self))
        other.__dict__ = {**self.__dict__, "clock": lambda: now}
        return other

    def anonymous(
        self, client: Client = Client(), *, refused: UnknownToken | None = None, presented: Shown | None = None
    ) -> Session:
        """A session that does not exist yet, for a request without a token or with a `refused` one. No read.

        Raises ProofRefused where what it presents for a key is wrong.
        """
        if refused is not None:
            self._emit(self._attributed((refused,), client))
        session = Session(None, self.clock(), client, presented=refused is not None)
        proved = None if presented is None else self._prove(None, None, presented, session.opened_at)
        if proved is not None:
            self._note(session, proved)
        return session

    def _require_binding(self, transport: Transport, adopts: bool) -> None:
        """Raise ConfigurationError where an integration cannot bind sessions as the policy wants it."""
        public_origin = transport.public_origin
        if public_origin is not None or self.policy.binding != "off":
            from sojourn.core.binding import require_binding  # here: most applications bind no session

            require_binding(
                self.policy, public_origin, transport.tokens_are_readable, adopts, transport.place is not None
            )

    def _prove(self, record: Record | None, token: Token | None, presented: Shown | None, now: int) -> Judged | None:
        """What a request proves of a key; see core.binding. Raises ProofRefused."""
        mine = record if record is not None and record.realm == self.realm else None
        skipped = getattr(presented, "skipped", None)
        if skipped is not None and mine is not None and mine.bound is not None:
            self._emit((RefreshSkipped(at=now, id=mine.id, user_id=mine.user_id, cause=skipped),))
        else:
            skipped = None
        try:
            return _prover()(mine, token, presented, self.policy, now, self._random)
        except ProofRefused as error:
            if skipped is None:
                self._emit_unproved(mine, error)
            raise

    def _note(self, session: Session, proved: Judged) -> None:
        """Put into the session what its request proved."""
        session._proved = proved.new_key
        if proved.told is not None and session._live is not None:
            session._told = proved.told

    def _replayed(self, record: Record | None, proved: Judged) -> ProofRefused:
        from sojourn.core.binding import replayed

        error = replayed(record, proved, self.clock(), self._random)
        self._emit_unproved(record, error)
        return error

    def _emit_unproved(self, record: Record | None, error: ProofRefused) -> None:
        if record is not None and record.bound is not None and error.nonce is None:
            now = self.clock()
            self._emit((UnprovedToken(at=now, id=record.id, user_id=record.user_id, flaw=error.flaw),))

    def _born(self, session: Session) -> None:
        """The session was made: with the key that the request proved, or for a browser that may register one."""
        from sojourn.core.binding import born, offer

        if session._proved is not None:
            session._proved = born(session._proved, self.clock())
        if session._offers:
            assert session._live is not None
            # What a log-in before it in the same request brought is good for a new id too.
            session._told = offer(session._live, self.clock(), self._random) or session._told

    def _postponed(self, write: Create | Commit | End, error: StoreUnavailable) -> Postponed:
        """The store did not make `write`. Raises `error` where something is lost by that."""
        if not is_upkeep(write):
            raise error
        self._rest.begin(write.now)
        logger.warning("activity goes unnoted for %g s, as the store takes no writes: %s", REST_MS / 1000, error)
        return POSTPONED

    def _infos(self, records: Iterable[Record], now: int) -> list[SessionInfo]:
        """Of each record that can be read; of the others the log names the ids."""
        found = []
        for record in records:
            try:
                found.append(info(record, now))
            except StoreUnavailable:
                logger.warning("%s", UnreadableRecord(record.id))
        return found

    def _refused(self, error: SojournError) -> None:
        """An open or a commit raised `error`: for who counts that."""

    def _emit(self, events: Iterable[Event]) -> None:
        if self._on_event is None:
            for event in events:
                if isinstance(event, (TokenReused, RotationStalled)):
                    logger.warning("%s: session %s is held by two, and was ended", type(event).__name__, event.id)
            return
        for event in events:
            try:
                self._on_event(event)
            # The event is true already: a listener's bug must not turn the user's answer into an error.
            except Exception:
                logger.exception("on_event failed for %s", type(event).__name__)

    def _malformed(self, client: Client, presented: Shown | None = None) -> Session:
        return self.anonymous(client, refused=UnknownToken(at=self.clock(), cause="malformed"), presented=presented)

    def _attributed(self, events: Iterable[Event], client: Client) -> Iterable[Event]:
        """Events of a request of this client, with who did it."""
        if self._on_event is None:
            return events
        from sojourn.core.actor import attributed  # here: most requests change nothing

        return attributed(events, client.kept(self.policy.keep_client).ip)

    def _actor(self, by: str | None, address: str) -> Actor:
        """Who asks for something, or with None the policy. Raises ConfigurationError."""
        from sojourn.core.actor import POLICY, Actor

        kept = Client(address).kept(self.policy.keep_client).ip
        return Actor(POLICY, kept) if by is None else Actor.named(by, kept)

    def _emit_end(self, end: End, was: Answer, actor: Actor) -> bool:
        """Tell of an end that this call made; whether it ended a live session."""
        if not isinstance(was, Record):
            return False
        ran_out = was.end_reason_at(end.now)
        self._emit(actor.ends([was.id], was.user_id, ran_out or end.reason, end.now))
        return ran_out is None

    def _emit_adopted(self, ours: Create) -> None:
        now, id, user_id = ours.now, ours.record.id, ours.record.user_id
        made, adopted = SessionCreated(at=now, id=id, user_id=user_id), Adopted(at=now, id=id, user_id=user_id)
        self._emit(self._attributed((made, adopted), ours.record.client))


class AsyncContext(ManagerContext):
    """What an event loop's manager has beside: those who wait there for news of a session."""

    streams = True
    """Whether one that follows a session is told what is in it."""

    _store: AsyncStore
    # Any: a store's `watch`, if it has one.
    _watch: Any = None
    _following: Following | None = None

    async def wait_for_end(self, id: str) -> EndReason | None:
        """Wait until a session is over, wherever and however it ends; why, or None where nobody can say.

        So for an id that is no session's: at once. What this manager ends it knows at once, what others end as soon as
        the store tells of it: Redis and PostgreSQL do. Of other stores each session that is waited for is read twice
        a second, and a timeout is noticed half a second late at most. One connection to the store serves all who wait.
        While the store does not answer nobody is told, but of a session that is past its end by then. `close` ends all
        waits.
        """
        return await self._wait_for_end(id, math.inf)

    async def _wait_for_end(self, id: str, expires_at: float) -> EndReason | None:
        """The same, of a session that was seen to be live until `expires_at`."""
        follower = self._follow(id, expires_at)
        try:
            while not (seen := await follower.news()).is_over:
                pass
        finally:
            follower.leave()
        return seen.reason

    def _follow(self, id: str, expires_at: float) -> Follower:
        """To be left in the same event loop."""
        if self._following is None:
            from .followers import Following  # here: most applications follow no session

            self._following = Following(self._look, self._watch, self.clock)
        return self._following.follow(id, expires_at)

    async def _look(self, id: str) -> Sighting:
        """A session as it is now. One read."""
        from sojourn.core.sighting import sighting

        return sighting(await self._store.get(id), self.realm, self.clock())

    def _emit(self, events: Iterable[Event]) -> None:
        super()._emit(events)
        if self._following is not None:
            self._following.changed([event.id for event in events if event.id is not None])
