"""StormClient: one of the clients in a storm. It asks for one thing after the other, and reports what came of each."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import replace as with_policy
from random import Random
from typing import Any, NamedTuple

from msgspec.structs import replace

from sojourn.core.errors import EndReason, SessionConflict, SessionEnded, SessionLimitReached
from sojourn.core.events import Ended, Event
from sojourn.core.policy import Policy
from sojourn.core.record import Client
from sojourn.core.session import Session
from sojourn.manager import AsyncSessionManager

from .history import Operation, Saw
from .instance import OWNER, Instance, Visitor
from .race_context import revealed
from .storm_plan import StormPlan
from .storm_sight import COME_BACK_WITHIN, POLICY, RETRY_AFTER, list_of, saw_in

__all__ = ["CAP", "Failed", "Writer", "storm"]

CAP = 3
END_OLDEST = with_policy(POLICY, max_sessions=CAP)
REFUSE = with_policy(END_OLDEST, on_limit="refuse")
# Those that have just been ended are asked for still, and ended again.
LATE, ENDED_LATE = 6, 2
# A session of so many values gets no more, or a history of reads would be long.
FULL = 60
# How often a request is slow, and for how many seconds at most.
SLOW, SLOWEST = 0.05, 0.05
# By so many milliseconds the clients' clocks are wrong at most.
SKEW = 1000

Work = Callable[[], Coroutine[Any, Any, Mapping[str, Any]]]

STEPS = ("write", "count", "read", "end", "log in", "use own", "list", "move")
WEIGHTS = (30, 12, 20, 5, 8, 10, 8, 6)


class Failed(NamedTuple):
    """A request came to an error of this class."""

    kind: str


class Writer(NamedTuple):
    """How it went for one client: its longest time without a good answer, and whether the last one was good."""

    longest_wait: float
    is_back: bool


async def storm(instance: Instance, plan: StormPlan, name: str, process: int, mover: str, seed: float) -> Writer:
    """Be a client until the storm is over, and if it failed last, until it is well again."""
    client = StormClient(instance, plan, name, process, mover, Random(seed))  # noqa: S311  # chance, not secrets
    until = plan.began + plan.seconds
    while time.monotonic() < until + (COME_BACK_WITHIN if client.failing else 0):
        await client.step()
        await instance.pause(0)
    return client.result()


class StormClient:
    """It has a clock of its own, sessions that it shares with all others, and some that are its own."""

    def __init__(
        self, instance: Instance, plan: StormPlan, name: str, process: int, mover: str, chance: Random
    ) -> None:
        self._instance = instance
        self._plan = plan
        self._name = name
        self._process = process
        self._mover = mover
        self._chance = chance
        self._skew = chance.randint(-SKEW, SKEW)
        # Some clients append to one list, others have their own in the same session.
        self._list = "log" if chance.random() < 0.5 else f"log-{name}"
        self._number = 0
        self._own: list[Visitor] = []
        self.failing = False
        self._answered = time.monotonic()
        self._longest = 0.0

    def result(self) -> Writer:
        """How it went."""
        return Writer(max(self._longest, time.monotonic() - self._answered), not self.failing)

    async def step(self) -> None:
        """Do something, by chance."""
        (what,) = self._chance.choices(STEPS, WEIGHTS)
        if what == "end":
            await self._end()
        elif what == "log in":
            await self._log_in()
        elif what == "use own":
            await self._use_own()
        elif what == "list":
            await self._list_some()
        elif what == "move":
            await self._move()
        else:
            await self._use(self._chance.choice(self._plan.shared_now(LATE)), what)

    # Requests

    async def _use(self, visitor: Visitor, what: str) -> None:
        """A request that reads, or reads and writes."""
        session, saw = await self._read(visitor)
        if session is None or saw is None or saw.status != "active" or what == "read":
            return
        if self._chance.random() < SLOW:
            await self._instance.pause(self._chance.random() * SLOWEST)
        if what == "write" and len(saw.values) < FULL:
            session.setdefault(self._list, []).append(self._next_name)
            await self._ask("write", self._committing(session), session=visitor.id)
        else:
            session.increment("count")
            await self._ask("count", self._committing(session), session=visitor.id)

    async def _read(self, visitor: Visitor) -> tuple[Session | None, Saw | None]:
        opened: list[Session] = []

        async def read() -> Mapping[str, Any]:
            session = await self._instance.open(visitor, self._manager())
            opened.append(session)
            return {"saw": saw_in(session)}

        asked = await self._ask("read", read, session=visitor.id)
        return (opened[0] if opened else None), asked.saw

    async def _end(self) -> None:
        """End one of the sessions that are to go now, by one of the ways."""
        visitor = self._chance.choice(self._plan.ending_now(ENDED_LATE))
        how = self._chance.random()
        if how < 0.6:
            await self._log_out(visitor)
        elif how < 0.85:
            await self._ask(
                "end", self._done(lambda manager: manager.revoke(visitor.id)), session=visitor.id, reason="revoked"
            )
        else:
            await self._ask(
                "end",
                self._done(lambda manager: manager.revoke_all(visitor.user or "")),
                user=visitor.user,
                reason="revoked",
            )

    async def _log_out(self, visitor: Visitor) -> None:
        """Press the button, and again if an error comes, until it is told that the session is over."""
        for _ in range(3):
            session, saw = await self._read(visitor)
            if session is None or saw is None or saw.status == "none":
                continue
            session.logout()
            asked = await self._ask("end", self._committing(session), session=visitor.id, reason="logout")
            if asked.outcome != "unknown":
                return

    async def _log_in(self) -> None:
        """Log in as one of the users who may have few sessions."""
        number = self._plan.capped_now()
        policy, user = (REFUSE if number % 2 else END_OLDEST), self._plan.capped[number]
        visitor = await self._begin(user, policy)
        if visitor:
            self._own.append(visitor)

    async def _use_own(self) -> None:
        if len(self._own) > CAP:
            await self._log_out(self._own.pop(0))
        elif self._own:
            await self._use(self._chance.choice(self._own), "write")

    async def _list_some(self) -> None:
        number = self._plan.capped_now()
        shared = self._chance.choice(self._plan.shared_now(LATE)).user or ""
        user = self._chance.choice([self._plan.capped[number], self._plan.capped[max(0, number - 1)], shared])
        await self._ask("list", lambda: list_of(self._manager(), user), user=user)

    async def _move(self) -> None:
        """Fill an anonymous session, log in from it, and out: what was in it must come along, or stay."""
        visitor = await self._begin(None, POLICY)
        if visitor is None:
            return
        await self._use(visitor, "write")
        for _ in range(3):
            session, saw = await self._read(visitor)
            if session is None or saw is None:
                continue
            if saw.status != "active":
                break
            moved = await self._begin(self._mover, POLICY, session, visitor.id)
            if moved:
                await self._read(moved)
                await self._log_out(moved)
                break
        await self._ask("list", lambda: list_of(self._manager(), self._mover), user=self._mover)

    async def _begin(
        self, user: str | None, policy: Policy, session: Session | None = None, replaces: str | None = None
    ) -> Visitor | None:
        """Begin a session, from an anonymous one where there is one. None where nobody was told a token."""
        events: list[Event] = []
        tokens: list[str] = []
        manager = self._manager(policy, events.append)
        begun = manager.anonymous() if session is None else session
        begun.client = Client(user_agent=self._next_name)
        if session is None:
            begun[OWNER] = user or self._mover
        if user is not None:
            begun.login(user)

        async def commit() -> Mapping[str, Any]:
            token = revealed((await manager.commit(begun)).token)
            tokens.append(token)
            over = [event.id for event in events if isinstance(event, Ended) and event.reason == "limit"]
            return {"session": Visitor(token, "", None).id, "ended": tuple(id for id in over if id)}

        await self._ask("login", commit, user=user, limit=policy.max_sessions, replaces=replaces)
        return Visitor(tokens[0], user or self._mover if session is None else self._mover, user) if tokens else None

    # What is asked of a manager

    def _committing(self, session: Session) -> Work:
        return self._done(lambda manager: manager.commit(session))

    def _done(self, ask: Callable[[AsyncSessionManager], Awaitable[object]]) -> Work:
        async def work() -> Mapping[str, Any]:
            await ask(self._manager())
            return {}

        return work

    def _manager(self, policy: Policy = POLICY, on_event: Callable[[Event], None] | None = None) -> AsyncSessionManager:
        return self._instance.manager(policy, skew=self._skew, on_event=on_event)

    # What is reported

    @property
    def _next_name(self) -> str:
        return f"{self._name}:{self._number + 1}"

    async def _ask(
        self,
        kind: Any,
        work: Work,
        *,
        session: str | None = None,
        user: str | None = None,
        reason: EndReason | None = None,
        limit: int | None = None,
        replaces: str | None = None,
    ) -> Operation:
        """Ask for something, and report it: a change before it is asked for too, as the process may be killed."""
        self._number += 1
        asked = Operation(
            client=self._name,
            number=self._number,
            process=self._process,
            kind=kind,
            invoked=self._plan.passed,
            session=session,
            user=user,
            reason=reason,
            limit=limit,
            replaces=replaces,
        )
        if kind not in ("read", "list"):
            self._instance.report(asked)
        found: Mapping[str, Any]
        try:
            found = {"outcome": "ok", **await work()}
        except SessionEnded as error:
            found = {"outcome": "refused", "reason": error.reason}
        except SessionLimitReached:
            found = {"outcome": "refused", "reason": "limit"}
        except SessionConflict:
            found = {"outcome": "refused"}
        # Whatever it is: an application would have answered with an error.
        except Exception as error:  # noqa: BLE001
            self._instance.report(Failed(type(error).__name__))
            self.failing = True
            await self._instance.pause(RETRY_AFTER)
            return asked
        answered = replace(asked, completed=self._plan.passed, **found)
        self._instance.report(answered)
        now, self.failing = time.monotonic(), False
        self._longest, self._answered = max(self._longest, now - self._answered), now
        return answered
