"""The site, as plain ASGI."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from sojourn.asgi import BrowserEndpoints, SessionMiddleware, commit, mount
from sojourn.asgi.types import Receive, Scope, Send
from tests.http.apps import place

manager = place.async_manager()
endpoints = BrowserEndpoints(readable=place.READABLE, writable=place.WRITABLE)


async def act(scope: Scope, receive: Receive, send: Send, action: str) -> None:
    body = json.loads(await read(receive) or "null")
    await answer(send, place.ACTIONS[action](scope["session"], body))


async def slow(scope: Scope, receive: Receive, send: Send, action: str, gate: str) -> None:
    scope["session"].get("cart")
    await place.Gate(gate).wait_async()
    await act(scope, receive, send, action)


async def nap(scope: Scope, receive: Receive, send: Send, action: str) -> None:
    place.ACTIONS["show"](scope["session"], None)
    await asyncio.sleep(place.NAP)
    await act(scope, receive, send, action)


async def proved(scope: Scope, receive: Receive, send: Send) -> None:
    scope["session"].require_login(within=place.RECENT)
    await act(scope, receive, send, "echo")


async def public(_: Scope, __: Receive, send: Send) -> None:
    await answer(send, {})


async def cached(scope: Scope, _: Receive, send: Send) -> None:
    scope["session"]["seen"] = True
    await answer(send, {}, (b"cache-control", b"public, max-age=60"), (b"vary", b"Accept-Encoding"))


async def redirect(scope: Scope, _: Receive, send: Send) -> None:
    scope["session"]["sent"] = True
    await answer(send, {}, (b"location", b"/see/show"), status=303)


async def deny(scope: Scope, _: Receive, send: Send) -> None:
    scope["session"]["denied"] = True
    await answer(send, {}, status=404)


async def unwell(scope: Scope, _: Receive, send: Send) -> None:
    scope["session"]["unwell"] = True
    await answer(send, {}, status=503)


class Asked(NamedTuple):
    """A request, as `commit` takes it."""

    scope: Scope


async def come_and_go(scope: Scope, _: Receive, send: Send) -> None:
    scope["session"].start()
    await commit(Asked(scope))
    scope["session"].logout()
    await answer(send, {})


async def fail(scope: Scope, _: Receive, __: Send) -> None:
    scope["session"]["failed"] = True
    raise RuntimeError("This handler is broken.")


async def sessions(_: Scope, __: Receive, send: Send) -> None:
    await answer(send, [mine.id for mine in await manager.list("nobody")])


async def stream(scope: Scope, _: Receive, send: Send) -> None:
    scope["session"]["streamed"] = True
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    for chunk in place.CHUNKS:
        if scope["path"] == "/stream-late":
            scope["session"]["late"] = True
        await send({"type": "http.response.body", "body": chunk.encode(), "more_body": True})
    await send({"type": "http.response.body", "body": b""})


HANDLERS: dict[str, Callable[..., Awaitable[None]]] = {
    "do": act,
    "see": act,
    "slow": slow,
    "nap": nap,
    "proved": proved,
    "public": public,
    "cached": cached,
    "redirect": redirect,
    "deny": deny,
    "unwell": unwell,
    "come-and-go": come_and_go,
    "fail": fail,
    "sessions": sessions,
    "stream": stream,
    "stream-late": stream,
}


async def site(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
        return
    _, name, *rest = scope["path"].split("/")
    await HANDLERS[name](scope, receive, send, *rest)


async def read(receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    return body


async def answer(send: Send, value: Any, *headers: tuple[bytes, bytes], status: int = 200) -> None:
    own = (b"content-type", b"application/json")
    await send({"type": "http.response.start", "status": status, "headers": [own, *headers]})
    await send({"type": "http.response.body", "body": json.dumps(value).encode()})


async def lifespan(receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await manager.close()
    await send({"type": "lifespan.shutdown.complete"})


app = SessionMiddleware(mount(site, "/session", endpoints), manager, **place.OPTIONS)
