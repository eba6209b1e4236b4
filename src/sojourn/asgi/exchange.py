"""Exchange: one HTTP request and its answer, with the session between them committed before the first byte."""

from __future__ import annotations

import logging
from collections.abc import Awaitable
from dataclasses import dataclass

from sojourn.adopt import Adopted
from sojourn.core.commit import NO_REPLY, nothing_due
from sojourn.core.errors import SojournError
from sojourn.core.problem import Problem, problem_to_send
from sojourn.core.record import Client
from sojourn.core.session import Session
from sojourn.core.transport import PLAIN_HTTP, Transport, drops_secure
from sojourn.manager import AsyncSessionManager

from .headers import HeaderList, add_vary, find_headers, set_no_store
from .replacement import take_over
from .types import Message, Scope, Send

__all__ = ["Exchange", "Wiring", "client_of", "send_problem"]

logger = logging.getLogger("sojourn")

FAILED = 500


@dataclass(slots=True)
class Wiring:
    """What every exchange of one middleware shares."""

    manager: AsyncSessionManager
    transport: Transport
    told_of_plain_http: bool = False

    def tell_of_plain_http(self, scope: Scope) -> None:
        """Log, once, that browsers will not keep the cookie that is being set."""
        host = find_headers(scope["headers"]).get(b"host", b"").decode("latin-1")
        insecure = self.transport.cookie.insecure_http
        if not insecure and not self.told_of_plain_http and drops_secure(scope.get("scheme", "https"), host):
            self.told_of_plain_http = True
            logger.warning(PLAIN_HTTP, host)


class Exchange:
    """A session on its way through a request; `send` is what the application answers through."""

    __slots__ = (
        "_agent",
        "_peer",
        "_scope",
        "_send",
        "_wiring",
        "adopted",
        "bearer",
        "failed",
        "replaced",
        "reply",
        "session",
        "started",
    )

    def __init__(
        self,
        wiring: Wiring,
        session: Session,
        scope: Scope,
        agent: bytes,
        send: Send,
        bearer: bool,
        adopted: Adopted | None = None,
    ) -> None:
        self._wiring = wiring
        self.session = session
        # Until the response starts: the scope holds this exchange, and a cycle would wait for the garbage collector.
        self._scope: Scope | None = scope
        self._peer = scope.get("client")
        self._agent = agent
        self._send = send
        self.bearer = bearer
        # The browser gets our token, and forgets the old cookie, in one answer.
        self.adopted = adopted
        self.reply = NO_REPLY if adopted is None else adopted.reply
        self.started = self.replaced = self.failed = False

    @property
    def manager(self) -> AsyncSessionManager:
        """The manager that opened the session."""
        return self._wiring.manager

    @property
    def cookie(self) -> str:
        """The name of the cookie that carries this session."""
        return self._wiring.transport.cookie.name

    async def commit(self) -> None:
        """Write what was changed so far. What it raises is SessionManager.commit's."""
        session = self.session
        if self._scope is not None and self._scope.get("session") is not session:
            take_over(session, self._scope)
        if session.live is None or session.wish:
            session.client = client_of(self._peer, self._agent)
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
        # Some frameworks make their own answer of an exception: a handler that failed changes nothing there either.
        self.failed = message["status"] >= FAILED
        session, scope = self.session, self._scope
        in_place = scope is None or scope.get("session") is session
        if self.failed or (in_place and nothing_due(session, self._wiring.manager.policy)):
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
        scope, self._scope = self._scope, None
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
        if scope is not None and not self.bearer:
            self._wiring.tell_of_plain_http(scope)
        name, value = transport.header(self.reply, self.bearer)
        headers.append((name.encode(), value.encode()))
        forget = self.adopted.forget_header(transport.cookie) if self.adopted else None
        if forget is not None:
            headers.append((b"set-cookie", forget.encode()))

    def check_late_changes(self) -> None:
        """Raise SessionCommitted where something was changed, nested deep, after the commit had passed."""
        if self.replaced or self.failed or not self.started:
            return
        self.session.check_late_changes()


async def _nothing() -> None:
    """For messages of an application whose response was replaced by a problem."""


def client_of(peer: tuple[str, int] | None, agent: bytes) -> Client:
    """What a request tells of its browser."""
    return Client(peer[0] if peer else "", agent[:512].decode("latin-1"))


async def send_problem(send: Send, problem: Problem) -> None:
    """Answer with a problem in place of the application."""
    body = problem.body()
    headers = [(name.encode(), value.encode()) for name, value in problem.headers()]
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
