"""Traffic: the last requests and answers of each session, with every token masked, for the session's own eyes."""

from __future__ import annotations

import re
import time
from collections import OrderedDict, deque
from collections.abc import Sequence
from itertools import count

import msgspec

from sojourn.asgi.types import App, Message, Receive, Scope, Send
from sojourn.core.events import Event, LoggedIn
from sojourn.core.session import Session

__all__ = ["Traffic", "TrafficEntry", "TrafficMiddleware", "masked"]

MAX_SESSIONS = 200
MAX_EXCHANGES = 200
MAX_BODY = 160

_TOKEN = re.compile(r"sj1-([0-9a-f]{0,4})[0-9a-f-]*")
# Files, and what this page asks for every few seconds.
_NOT_SHOWN = ("/static/", "/demo/inspector", "/favicon")


class TrafficEntry(msgspec.Struct, frozen=True):
    """A request and its answer, as far as they concern the session. `number` only grows."""

    number: int
    at: int
    milliseconds: int
    method: str
    path: str
    status: int
    sent: Sequence[str]
    answered: Sequence[str]


def masked(text: str) -> str:
    """`text` with no more of a token in it than the first digits of its public id."""
    return _TOKEN.sub(r"sj1-\1…•••", text)


class Traffic:
    """What was sent and answered, by the id of the session; in memory, the latest only."""

    def __init__(self, cookie_name: str) -> None:
        self._cookie = cookie_name + "="
        self._kept: OrderedDict[str, deque[TrafficEntry]] = OrderedDict()
        self._number = count(1)

    def of(self, id: str) -> list[TrafficEntry]:
        """The exchanges of one session, the latest first."""
        return list(reversed(self._kept.get(id, ())))

    def follow(self, event: Event) -> None:
        """Take the list along when a log-in gives the session a new id: an `on_event` callback."""
        if isinstance(event, LoggedIn) and event.id and event.replaced and event.replaced in self._kept:
            self._kept[event.id] = self._kept.pop(event.replaced)

    def note(self, id: str, scope: Scope, body: bytes, answer: Message, from_ms: int) -> None:
        """Keep what passed in one exchange of the session `id`."""
        now = int(time.time() * 1000)
        text = masked(body[:MAX_BODY].decode("utf-8", "replace"))
        exchanges = self._kept.setdefault(id, deque(maxlen=MAX_EXCHANGES))
        exchanges.append(
            TrafficEntry(
                number=next(self._number),
                at=from_ms,
                milliseconds=now - from_ms,
                method=scope["method"],
                path=masked(scope["path"]),
                status=answer["status"],
                sent=self._sent(scope) + ([text] if text else []),
                answered=_answered(answer),
            )
        )
        self._kept.move_to_end(id)
        if len(self._kept) > MAX_SESSIONS:
            self._kept.popitem(last=False)

    def _sent(self, scope: Scope) -> list[str]:
        lines = []
        for name, value in scope["headers"]:
            text = value.decode("latin-1")
            if name == b"cookie":
                ours = [pair.strip() for pair in text.split(";") if pair.strip().startswith(self._cookie)]
                lines += [f"Cookie: {masked(pair)}" for pair in ours]
            elif name in (b"authorization", b"sojourn-transport", b"sec-fetch-site"):
                lines.append(f"{name.decode().title()}: {masked(text)}")
        return lines


def _answered(answer: Message) -> list[str]:
    wanted = (b"set-cookie", b"sojourn-token", b"cache-control")
    return [
        f"{name.decode().title()}: {masked(value.decode('latin-1'))}"
        for name, value in answer["headers"]
        if name in wanted
    ]


def _is_left_out(method: str, path: str) -> bool:
    return path.startswith(_NOT_SHOWN) or path.endswith(".js") or (method, path) == ("GET", "/session/sessions")


class TrafficMiddleware:
    """Listens to every exchange, from outside of the session's middleware, where all headers are seen."""

    def __init__(self, app: App, traffic: Traffic) -> None:
        self._app = app
        self._traffic = traffic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or _is_left_out(scope["method"], scope["path"]):
            await self._app(scope, receive, send)
            return
        from_ms, body, answer = int(time.time() * 1000), bytearray(), None

        async def listen() -> Message:
            message = await receive()
            # The session endpoints' bodies alone: a log-in's holds a password.
            if scope["path"].startswith("/session") and len(body) < MAX_BODY:
                body.extend(message.get("body", b""))
            return message

        async def tell(message: Message) -> None:
            nonlocal answer
            if message["type"] == "http.response.start":
                answer = message
                session = scope.get("session")
                # Only a token that opened the session tells its id.
                if isinstance(session, Session) and session.id is not None:
                    self._traffic.note(session.id, scope, bytes(body), answer, from_ms)
            await send(message)

        await self._app(scope, listen, tell)
