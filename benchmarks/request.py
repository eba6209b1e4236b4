"""A request as a browser's would reach an ASGI application, and the application's answer to it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, NamedTuple

__all__ = ["Answer", "App", "Message", "Scope", "ask", "cookie_of", "new_scope", "receive", "send_nowhere"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

# Chromium's, and beside the session three cookies of analytics and a theme.
HEADERS = [
    (b"host", b"shop.example.com"),
    (
        b"user-agent",
        b"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
    ),
    (b"accept", b"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    (b"accept-language", b"en-GB,en;q=0.9"),
    (b"accept-encoding", b"gzip, deflate, br, zstd"),
    (b"referer", b"https://shop.example.com/cart"),
    (b"sec-fetch-site", b"same-origin"),
    (b"sec-fetch-mode", b"navigate"),
    (b"sec-fetch-dest", b"document"),
]
COOKIES = b"theme=dark; _ga=GA1.2.1093847562.1763875200; consent=analytics%3Dno%26ads%3Dno"


class Answer(NamedTuple):
    """What came back. `headers` are in lower case, in order."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


def new_scope(path: str, cookie: bytes) -> Scope:
    """The ASGI scope of a GET with `cookie` (name=value, maybe empty) after three others."""
    cookies = COOKIES + b"; " + cookie if cookie else COOKIES
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "https",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [*HEADERS, (b"cookie", cookies)],
        "client": ("203.0.113.7", 51840),
        "server": ("10.0.0.2", 8000),
        "state": {},
    }


async def receive() -> Message:
    """An empty request body."""
    return {"type": "http.request", "body": b"", "more_body": False}


async def send_nowhere(_message: Message) -> None:
    """Drop what the application sends: the server's part is not measured."""


async def ask(app: App, asked: str | Scope, cookie: bytes = b"") -> Answer:
    """The application's answer to one request: a path's, or a scope's."""
    messages: list[Message] = []

    async def send(message: Message) -> None:
        messages.append(message)

    await app(new_scope(asked, cookie) if isinstance(asked, str) else asked, receive, send)
    headers = [(name.lower(), value) for name, value in messages[0]["headers"]]
    return Answer(messages[0]["status"], headers, b"".join(message.get("body", b"") for message in messages[1:]))


def cookie_of(answer: Answer) -> bytes | None:
    """The `name=value` that the answer's Set-Cookie asks the browser to keep, or None without one."""
    for name, value in answer.headers:
        if name == b"set-cookie":
            return value.partition(b";")[0]
    return None
