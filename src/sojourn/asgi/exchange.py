"""AsyncExchange: one HTTP request and its answer, with the session between them committed before the first byte."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from sojourn.core.changes import check_late
from sojourn.core.commit import NO_REPLY, nothing_due
from sojourn.core.errors import SojournError
from sojourn.core.problem import Problem, problem_to_send
from sojourn.core.record import Client
from sojourn.core.session import Session
from sojourn.core.transport import FAILED, Header, HeaderPairs, Transport, merged
from sojourn.manager import AsyncSessionManager

from .types import Message, Scope, Send

if TYPE_CHECKING:
    from sojourn.adopt import AdoptedSession
    from sojourn.core.rivals import Rivals

__all__ = ["AsyncExchange", "client_of", "encode_headers", "find_headers", "find_path", "look_up", "send_problem"]

RawHeaders = Sequence[tuple[bytes, bytes]]


class AsyncExchange:
    """A session on its way through a request; `send` is what the application answers through."""

    # Defaults on the class: a request makes one of these, and most never set them.
    reply = NO_REPLY
    rivals: Rivals | None = None
    started = replaced = failed = logged_out = False
    _forget: str | None = None

    def __init__(
        self,
        manager: AsyncSessionManager,
        transport: Transport,
        session: Session,
        scope: Scope,
        agent: bytes,
        send: Send,
        bearer: bool,
        adopted: AdoptedSession | None = None,
    ) -> None:
        self._manager = manager
        self._transport = transport
        self.session = session
        session._offers = transport.place is not None and not bearer
        # Until the response starts: the scope holds this exchange, and a cycle would wait for the garbage collector.
        self._scope: Scope | None = scope
        self._peer = scope.get("client")
        self._agent = agent
        self._send = send
        self.bearer = bearer
        if adopted is not None:
            # The browser gets our token, and forgets another layer's cookie, in one answer.
            self.reply, self._forget = adopted.reply, adopted.forget_header(transport.cookie)

    @property
    def manager(self) -> AsyncSessionManager:
        """The manager that opened the session."""
        return self._manager

    @property
    def cookie(self) -> str:
        """The name of the cookie that carries this session."""
        return self._transport.cookie.name

    async def commit(self) -> None:
        """Write what was changed so far. What it raises is SessionManager.commit's."""
        session = self.session
        if self._scope is not None and self._scope.get("session") is not session:
            from .replacement import take_over

            take_over(session, self._scope)
        if session._live is None or session._wish:
            session.client = client_of(self._peer, self._agent)
        if self.rivals is not None:
            for rival in self.rivals.to_end(session):
                await self._manager.commit(rival)
        self.logged_out = self.logged_out or session._logged_out
        reply = await self._manager.commit(session)
        # After a log-out a token that this request was to give is dead.
        if reply is not NO_REPLY or session._token is None:
            self.reply = reply

    def send(self, message: Message) -> Awaitable[None]:
        """Pass an ASGI message on; before the first, commit, and tell the browser what is due."""
        # No coroutine of our own where nothing is to be awaited: most requests write nothing.
        if self.started:
            return _nothing() if self.replaced else self._send(message)
        if message["type"] != "http.response.start":
            return self._send(message)
        self.failed = message["status"] >= FAILED
        session, scope = self.session, self._scope
        in_place = scope is None or scope.get("session") is session
        if self.failed or (in_place and nothing_due(session, self._manager.policy)):
            return self._send(self.begin(message))
        return self._commit_and_send(message)

    async def _commit_and_send(self, message: Message) -> None:
        try:
            await self.commit()
        except SojournError as error:
            await self.replace(problem_to_send(error))
            return
        await self._send(self.begin(message))

    async def replace(self, problem: Problem) -> None:
        """Answer with a problem in place of the application.

        The browser is told what was committed before all the same: the token that it has may be over by that.
        """
        self.replaced = True
        await send_problem(self._send, problem, self.begin)

    def begin(self, message: Message) -> Message:
        """The commit is done and `message` the first: the same, with what caches and the browser must know.

        The message itself stays as it is: a cache within the application may keep it, and give it to others.
        """
        self.started = self.session._sealed = True
        scope, self._scope = self._scope, None
        own: RawHeaders = message.get("headers", ())
        # A session that no key was proved for: nearly all.
        silent = self.reply is NO_REPLY and self.session._proved is None and self.session._told is None
        if silent and (self.rivals is None or not self.rivals.is_contested):
            if not self.session._accessed:
                return message
            # Most requests: nothing of the application's own is in the way.
            for name, _ in own:
                if name.lower() == b"vary":
                    break
            else:
                return {**message, "headers": [*own, self._transport.vary_bytes]}
        needed = self._transport.answer(
            self.session, self.reply, self.bearer, self._forget, self.rivals, self.logged_out
        )
        if self.reply.token is not None and not self.bearer and scope is not None:
            host = find_headers(scope["headers"]).get(b"host", b"").decode("latin-1")
            self._transport.warn_of_plain_http(scope.get("scheme", "https"), host)
        return {**message, "headers": encode_headers(merged(_decoded(own), needed))}

    def check_late_changes(self) -> None:
        """Raise SessionCommitted where something was changed, nested deep, after the commit had passed."""
        # Only what was fetched, or set, can have been changed.
        if self.session._values and self.started and not self.replaced and not self.failed:
            check_late(self.session._changes())


async def _nothing() -> None:
    """For messages of an application whose response was replaced by a problem."""


def client_of(peer: tuple[str, int] | None, agent: bytes) -> Client:
    """What a request tells of its browser."""
    return Client.of(peer[0] if peer else None, agent.decode("latin-1"))


def find_headers(headers: RawHeaders) -> dict[bytes, bytes]:
    """A request's headers by name. HTTP/2 may send a cookie header in parts: joined, as any that comes twice."""
    found = dict(headers)
    if len(found) < len(headers):
        found.clear()
        for name, value in headers:
            found[name] = found[name] + b"; " + value if name in found else value
    return found


def find_path(scope: Scope) -> str:
    """The whole path, as the browser asked for it: some servers, and FastAPI(root_path=…), keep its root apart."""
    path: str = scope["path"]
    raw: bytes | None = scope.get("raw_path")
    if raw and raw != path.encode("utf-8", "replace"):
        # Below a mount Litestar writes another path, without a word; the raw one is as it was asked for.
        path = unquote_to_bytes(raw).decode("utf-8", "replace")
    root = scope.get("root_path", "").rstrip("/")
    return path if path == root or path.startswith(f"{root}/") else f"{root}{path}"


def look_up(headers: dict[bytes, bytes]) -> Header:
    """A look-up in `headers` as text; every byte has a letter in it."""

    def find(name: str) -> str | None:
        value = headers.get(name.encode())
        return None if value is None else value.decode("latin-1")

    return find


def encode_headers(headers: HeaderPairs) -> list[tuple[bytes, bytes]]:
    """An answer's headers as ASGI has them."""
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]


def _decoded(headers: RawHeaders) -> HeaderPairs:
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]


async def send_problem(
    send: Send, problem: Problem, begin: Callable[[Message], Message] = lambda message: message
) -> None:
    """Answer with a problem in place of the application; `begin` puts into its start what else is to be told."""
    body = problem.body()
    headers = encode_headers([*problem.headers(), ("content-length", str(len(body)))])
    # No frame that calls the server holds a token: it may fail.
    await send(begin({"type": "http.response.start", "status": problem.status, "headers": headers}))
    await send({"type": "http.response.body", "body": body})
