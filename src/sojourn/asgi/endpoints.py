"""BrowserEndpoints: the endpoints of sojourn.browser as an ASGI application, to be mounted under any path."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sojourn.browser import Answer, Ask, BrowserOptions, Request, answer, perform_async, plan, to_send
from sojourn.browser.endpoints import MAX_BODY, REAUTHENTICATE_WITHIN
from sojourn.browser.event_stream import EventStream
from sojourn.core.errors import ConfigurationError

from .event_stream import stream_events
from .exchange import AsyncExchange, encode_headers, find_headers
from .types import App, Receive, Scope, Send

__all__ = ["BrowserEndpoints", "mount"]


class BrowserEndpoints:
    """What the browser client calls: `app.mount("/session", BrowserEndpoints(readable={"theme"}))`.

    `writable` names the keys of a session that its browser may write, and read; `readable` those that it may only
    read. The server's own stay unseen. Sessions elsewhere are ended only by who logged in in the last
    `reauthenticate_within` seconds (ASVS 7.5.2); None asks for no recent log-in. It works inside SessionMiddleware,
    which gives it the manager and answers what AsyncSessionManager.commit raises. Raises ConfigurationError outside of
    it, and for keys that no browser may have.
    """

    def __init__(
        self,
        *,
        readable: Collection[str] = (),
        writable: Collection[str] = (),
        reauthenticate_within: float | None = REAUTHENTICATE_WITHIN,
    ) -> None:
        self._options = BrowserOptions(readable, writable, reauthenticate_within)

    # Any: as App's.
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        exchange = scope.get("sojourn")
        if scope["type"] != "http" or not isinstance(exchange, AsyncExchange):
            raise ConfigurationError("BrowserEndpoints needs SessionMiddleware around the application, and HTTP.")
        request = await _request(scope, receive, exchange.manager.streams)
        planned = plan(request, exchange.session, self._options)
        if isinstance(planned, Ask) and planned.action == "events" and request.method == "GET":
            await stream_events(EventStream(self._options.readable, request.last_event_id), exchange, receive, send)
            return
        found = to_send(await self._answer(planned, exchange), scope["method"])
        await send({"type": "http.response.start", "status": found.status, "headers": encode_headers(found.headers)})
        await send({"type": "http.response.body", "body": found.body})

    async def _answer(self, planned: Ask | Answer, exchange: AsyncExchange) -> Answer:
        session, manager = exchange.session, exchange.manager
        if isinstance(planned, Answer):
            return planned
        result = await perform_async(planned, session, manager)
        # The commit's own outcome is part of the answer: a new id, the merged data.
        await exchange.commit()
        return answer(planned, session, result, self._options, manager.clock())


def mount(app: App, path: str, mounted: App) -> App:
    """`app`, but HTTP requests below `path` go to `mounted`: for what has no mounts of its own.

    Raises ConfigurationError for a path that does not begin with a slash, or ends with one.
    """
    if not path.startswith("/") or path.endswith("/"):
        raise ConfigurationError(f"mount(path={path!r}): write it like '/session', without a slash at its end.")

    async def either(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            asked, root = scope["path"], scope.get("root_path", "").rstrip("/")
            # Behind a proxy that strips the prefix, a server's path may begin with it or not.
            asked = asked.removeprefix(root) if asked.startswith(f"{root}/") else asked
            if asked == path or asked.startswith(f"{path}/"):
                await mounted({**scope, "root_path": root + path}, receive, send)
                return
        await app(scope, receive, send)

    return either


async def _request(scope: Scope, receive: Receive, streams: bool) -> Request:
    body = b""
    while len(body) <= MAX_BODY:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body", False):
            break
    headers = find_headers(scope["headers"])
    content_type, if_none_match, last_event_id = (
        headers.get(name, b"").decode("latin-1") for name in (b"content-type", b"if-none-match", b"last-event-id")
    )
    return Request(scope["method"], _path_below(scope), content_type, body, if_none_match, last_event_id, streams)


def _path_below(scope: Scope) -> str:
    """The path below the endpoints' own.

    ASGI says that `path` begins with `root_path`. Some who mount cut it off; and where a proxy stripped the prefix that
    FastAPI(root_path=…) or Hypercorn's root_path names, it begins with the rest of `root_path` alone.
    """
    path: str = scope["path"]
    root: str = scope.get("root_path", "").rstrip("/")
    while root:
        # Whole names: "/session" is no part of "/sessions".
        if path == root or path.startswith(f"{root}/"):
            return path.removeprefix(root)
        _, slash, rest = root[1:].partition("/")
        root = slash + rest
    return path
