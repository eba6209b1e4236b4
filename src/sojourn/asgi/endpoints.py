"""BrowserEndpoints: the endpoints of sojourn.browser as an ASGI application, to be mounted under any path."""

from __future__ import annotations

from collections.abc import Collection

from sojourn.browser import Answer, BrowserOptions, Request, answer, perform_async, plan
from sojourn.browser.device import DeviceLabel, device_label
from sojourn.browser.endpoints import MAX_BODY
from sojourn.errors import ConfigurationError

from .exchange import Exchange
from .headers import find_headers
from .types import Receive, Scope, Send

__all__ = ["BrowserEndpoints"]


class BrowserEndpoints:
    """What the browser client calls: `app.mount("/session", BrowserEndpoints(readable={"theme"}))`.

    `writable` names the keys of a session that its browser may write, and read; `readable` those that it may only
    read. The server's own stay unseen. `device_label` makes "Chrome on Windows" of a User-Agent; None leaves
    labels out. It works inside SessionMiddleware, and takes the manager from it.
    """

    def __init__(
        self,
        *,
        readable: Collection[str] = (),
        writable: Collection[str] = (),
        device_label: DeviceLabel | None = device_label,
    ) -> None:
        self._options = BrowserOptions(readable, writable, device_label)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = scope.get("sojourn")
        if scope["type"] != "http" or not isinstance(exchange, Exchange):
            raise ConfigurationError("BrowserEndpoints needs SessionMiddleware around the application, and HTTP.")
        found = await self._answer(scope, receive, exchange)
        headers = [(name.encode(), value.encode()) for name, value in found.headers]
        headers.append((b"content-length", str(len(found.body)).encode()))
        # Not to be embedded or read by other sites (ASVS 3.5.8).
        headers.append((b"cross-origin-resource-policy", b"same-origin"))
        await send({"type": "http.response.start", "status": found.status, "headers": headers})
        body = b"" if scope["method"] == "HEAD" else found.body
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: Scope, receive: Receive, exchange: Exchange) -> Answer:
        session, manager = exchange.session, exchange.manager
        planned = plan(await _request(scope, receive), session, self._options)
        if isinstance(planned, Answer):
            return planned
        result = await perform_async(planned, session, manager)
        # The commit's own outcome is part of the answer: a new id, the merged data.
        await exchange.commit()
        return answer(planned, session, result, self._options, manager.clock())


async def _request(scope: Scope, receive: Receive) -> Request:
    body = b""
    while len(body) <= MAX_BODY:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body", False):
            break
    headers = find_headers(scope["headers"])
    content_type, if_none_match = (
        headers.get(name, b"").decode("latin-1") for name in (b"content-type", b"if-none-match")
    )
    path = scope["path"].removeprefix(scope.get("root_path", ""))
    return Request(scope["method"], path, content_type, body, if_none_match)
