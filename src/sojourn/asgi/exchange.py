"""Exchange: one HTTP request and its answer, with the session between them committed before the first byte."""

from __future__ import annotations

from sojourn.commit import NO_REPLY, Reply
from sojourn.cookie import CookieOptions
from sojourn.errors import SessionCommitted, SojournError
from sojourn.manager import AsyncSessionManager
from sojourn.problem import Problem, problem_of
from sojourn.session import Session

from .headers import HeaderList, add_vary, set_no_store
from .types import Message, Send

__all__ = ["Exchange", "send_problem"]

TOKEN_HEADER = b"sojourn-token"


class Exchange:
    """A session on its way through a request; `send` is what the application answers through."""

    __slots__ = ("_send", "bearer", "cookie", "manager", "replaced", "reply", "session", "started", "vary")

    def __init__(
        self,
        manager: AsyncSessionManager,
        session: Session,
        send: Send,
        *,
        cookie: CookieOptions,
        bearer: bool,
        vary: bytes,
    ) -> None:
        self.manager = manager
        self.session = session
        self.cookie = cookie
        self.bearer = bearer
        self.vary = vary
        self.reply = NO_REPLY
        self.started = self.replaced = False
        self._send = send

    async def commit(self) -> None:
        """Write what was changed so far. What it raises is SessionManager.commit's."""
        reply = await self.manager.commit(self.session)
        if reply is not NO_REPLY:
            self.reply = reply

    async def send(self, message: Message) -> None:
        """Pass an ASGI message on; before the first, commit, and tell the browser what is due."""
        if self.started:
            if not self.replaced:
                await self._send(message)
            return
        if message["type"] != "http.response.start":
            await self._send(message)
            return
        try:
            await self.commit()
        except SojournError as error:
            problem = problem_of(error)
            if problem is None:
                raise
            self.replaced = self.started = True
            await send_problem(self._send, problem)
            return
        self.started = True
        self.session.seal()
        if self.session.accessed or self.reply is not NO_REPLY:
            headers: HeaderList = list(message.get("headers", ()))
            self.add_headers(headers)
            message["headers"] = headers
        await self._send(message)

    def add_headers(self, headers: HeaderList) -> None:
        """Say that the answer depends on the session, and hand the browser a new token where there is one."""
        add_vary(headers, self.vary)
        if self.reply is NO_REPLY:
            return
        set_no_store(headers)
        if self.bearer:
            token = self.reply.token
            headers.append((TOKEN_HEADER, token.reveal().encode() if token else b"none"))
        else:
            headers.append((b"set-cookie", set_cookie(self.cookie, self.reply).encode()))

    def check_late_changes(self) -> None:
        """Raise SessionCommitted where something was changed, nested deep, after the commit had passed."""
        if self.started and not self.replaced and self.session.accessed and self.session.changes():
            keys = ", ".join(map(repr, self.session.changes()))
            raise SessionCommitted(
                f"session[{keys}] was changed after the response had started and is not kept. Change it before the "
                "first byte: not in a streaming body or a background task."
            )


def set_cookie(cookie: CookieOptions, reply: Reply) -> str:
    """The Set-Cookie value for a reply that has something to tell."""
    return cookie.set(reply.token.reveal(), reply.max_age) if reply.token else cookie.clear()


async def send_problem(send: Send, problem: Problem) -> None:
    """Answer with a problem in place of the application."""
    body = problem.body()
    headers = [(name.encode(), value.encode()) for name, value in problem.headers()]
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
