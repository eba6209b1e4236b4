"""AsyncBatches: the opens and commits of one event loop, together where several are under way at one time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from sojourn.core.errors import StoreUnavailable

from .batch import PATIENCE, BatchAnswers, call_batch, how_many, is_unknown
from .service_call import ServiceAnswer, ServiceCall

if TYPE_CHECKING:
    from .async_connections import AsyncServiceConnection, AsyncServiceConnections

__all__ = ["AsyncBatches"]

Outcome = ServiceAnswer | StoreUnavailable | None
"""What became of a call; None: it is to be asked alone."""


class _Waiting:
    """A call, and who waits for what becomes of it."""

    __slots__ = ("call", "outcome")

    def __init__(self, call: ServiceCall, outcome: asyncio.Future[Outcome]) -> None:
        self.call = call
        self.outcome = outcome

    def settle(self, outcome: Outcome) -> None:
        if not self.outcome.done():
            self.outcome.set_result(outcome)


class AsyncBatches:
    """A call goes alone where no other is under way. What comes meanwhile goes together.

    A batch holds up those that come behind it until it begins to be answered, PATIENCE seconds at most.
    """

    def __init__(self, connections: AsyncServiceConnections, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._connections = connections
        self._under_way = 0
        self._waiting: list[_Waiting] = []
        self._holding: list[_Waiting] | None = None
        self._patience: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def ask(self, call: ServiceCall, within: float) -> ServiceAnswer:
        """The answer to this call, as if it were alone. Raises StoreUnavailable."""
        self._under_way += 1
        try:
            if self._under_way == 1:
                return await self._connections.ask_alone(call, within)
            return await self._ask_together(call, within)
        finally:
            self._under_way -= 1

    async def _ask_together(self, call: ServiceCall, within: float) -> ServiceAnswer:
        deadline = self.loop.time() + within
        waiting = _Waiting(call, self.loop.create_future())
        late = self.loop.call_at(deadline, self._give_up, waiting)
        self._waiting.append(waiting)
        if len(self._waiting) == 1 and self._holding is None:
            self.loop.call_soon(self._send)
        try:
            outcome = await waiting.outcome
        finally:
            late.cancel()
        if outcome is None:
            return await self._connections.ask_alone(call, max(0.0, deadline - self.loop.time()))
        if isinstance(outcome, StoreUnavailable):
            raise outcome
        return outcome

    def _give_up(self, waiting: _Waiting) -> None:
        waiting.settle(self._connections.late())

    def _send(self) -> None:
        if self._holding is not None:
            return
        waiting = [each for each in self._waiting if not each.outcome.done()]
        count = how_many([each.call for each in waiting], self._connections.most_together)
        batch, self._waiting = waiting[:count], waiting[count:]
        if not batch:
            for each in waiting:  # the service takes none any more
                each.settle(None)
            return
        self._holding = batch
        self._patience = self.loop.call_later(PATIENCE, self._let_go, batch)
        task = self.loop.create_task(self._carry(batch))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _let_go(self, batch: list[_Waiting]) -> None:
        """What waits behind this batch may go, once those who were answered have gone on."""
        if self._holding is batch:
            assert self._patience is not None
            self._patience.cancel()
            self._holding = None
            self.loop.call_soon(self._send)

    async def _carry(self, batch: list[_Waiting]) -> None:
        try:
            connection = await self._connections.any_idle_or_new()
            try:
                await self._ask_on(connection, batch)
            except StoreUnavailable as error:
                for each in batch:
                    # What of it was carried out, nobody knows. To open is to ask, and may be done again.
                    each.settle(None if each.call.repeatable else StoreUnavailable(str(error)))
        except StoreUnavailable as error:
            for each in batch:
                each.settle(StoreUnavailable(str(error)))
        finally:
            self._let_go(batch)

    async def _ask_on(self, connection: AsyncServiceConnection, batch: list[_Waiting]) -> None:
        answers = BatchAnswers(len(batch))

        def heard() -> None:
            if connection.http.status == 200:
                for place, answer in answers.read(connection.http.take()):
                    batch[place].settle(answer)
                self._let_go(batch)

        answer = await self._connections.ask_on(connection, call_batch([each.call for each in batch]), heard)
        if answer.status != 200:
            unknown = is_unknown(answer)
            for each in batch:
                each.settle(None if unknown else answer)
            if unknown:
                self._connections.most_together = 0
        elif not all(each.outcome.done() for each in batch):
            raise StoreUnavailable("The session service left a call of a batch without an answer.")
