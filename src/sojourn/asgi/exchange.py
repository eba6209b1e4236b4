"""Exchange: one HTTP request and its answer, with the session between them committed before the first byte."""

from __future__ import annotations

import logging
from collections.abc import Awaitable
from typing import NamedTuple

from sojourn.commit import NO_REPLY, nothing_due
from sojourn.errors import SessionCommitted, SojournError, StoreUnavailable
from sojourn.manager import AsyncSessionManager
from sojourn.problem import Problem, problem_of
from sojourn.record import Client
from sojourn.session import Session
from sojourn.transport import Transport

from .headers import HeaderList, add_vary, set_no_store
from .types import Message, Scope, Send

__all__ = ["Exchange", "Wiring", "problem_to_send", "send_problem"]

logger = logging.getLogger("sojourn")


class Wiring(NamedTuple):
    """What every exchange of one middleware shares."""

    manager: AsyncSessionManager
    transport: Transport


class Exchange:
    """A session on its way through a request; `send` is what the application answers through."""

    __slots__ = ("_agent", "_peer", "_send", "_wiring", "bearer", "replaced", "reply", "session", "started")

    def __init__(self, wiring: Wiring, session: Session, scope: Scope, agent: bytes, send: Send, bearer: bool) -> None:
        self._wiring = wiring
        self.session = session
        # Not the scope: it holds this exchange, and a cycle would wait for the garbage collector.
        self._peer = scope.get("client")
        self._agent = agent
        self._send = send
        self.bearer = bearer
        self.reply = NO_REPLY
        self.started = self.replaced = False

    @property
    def manager(self) -> AsyncSessionManager:
        """The manager that opened the session."""
        return self._wiring.manager

    async def commit(self) -> None:
        """Write what was changed so far. What it raises is SessionManager.commit's."""
        session = self.session
        if session.live is None or session.wish:
            session.client = Client(self._peer[0] if self._peer else "", self._agent[:512].decode("latin-1"))
        reply = await self._wiring.manager.commit(session)
        if reply is not NO_REPLY:
            self.reply = reply

    def send(self, message: Message) -> Awaitable[None]:
        """Pass an ASGI message on; before the first, commit, and tell the browser what is due."""
        # No coroutine of our own where nothing is to be awaited: most requests write nothing.
        if self.started:
            return _nothing() if self.replaced else self._send(message)
        if message["type"] != "http.response.start":
            return self._send(message)
        if nothing_due(self.session, self._wiring.manager.policy):
            self.begin(message)
            return self._send(message)
        return self._commit_and_send(message)

    async def _commit_and_send(self, message: Message) -> None:
        try:
            await self.commit()
        except SojournError as error:
            problem = problem_to_send(error)
            self.replaced = self.started = True
            await send_problem(self._send, problem)
            return
        self.begin(message)
        await self._send(message)

    def begin(self, message: Message) -> None:
        """The commit is done and `message` the first: put into its headers what caches and the browser must know."""
        self.started = True
        self.session.seal()
        if not self.session.accessed and self.reply is NO_REPLY:
            return
        headers: HeaderList = list(message.get("headers", ()))
        message["headers"] = headers
        transport = self._wiring.transport
        add_vary(headers, transport.vary.encode())
        if self.reply is NO_REPLY:
            return
        set_no_store(headers)
        name, value = transport.header(self.reply, self.bearer)
        headers.append((name.encode(), value.encode()))

    def check_late_changes(self) -> None:
        """Raise SessionCommitted where something was changed, nested deep, after the commit had passed."""
        if self.replaced or not self.started:
            return
        late = self.session.changes()
        if late:
            keys = ", ".join(map(repr, late))
            raise SessionCommitted(
                f"session[{keys}] was changed after the response had started and is not kept. Change it before the "
                "first byte: not in a streaming body or a background task."
            )


async def _nothing() -> None:
    """For messages of an application whose response was replaced by a problem."""


def problem_to_send(error: SojournError) -> Problem:
    """The answer to a request that met `error`; an outage goes to the log too. Raises a developer's mistake on."""
    problem = problem_of(error)
    if problem is None:
        raise error
    if isinstance(error, StoreUnavailable):
        logger.warning("%s", error)
    return problem


async def send_problem(send: Send, problem: Problem) -> None:
    """Answer with a problem in place of the application."""
    body = problem.body()
    headers = [(name.encode(), value.encode()) for name, value in problem.headers()]
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
