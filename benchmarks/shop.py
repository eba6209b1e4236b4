"""The measured application: a shop whose handlers leave the session alone, read one key, or change one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from itertools import count
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .peers import BARE, Peer, Wrap, unwrapped
from .request import App, ask, cookie_of

__all__ = ["SESSION", "SMALL_SESSION", "open_shop"]

# 12 keys, 400 bytes of JSON: who, what they look at, what they put in the cart.
SESSION: dict[str, Any] = {
    "user_id": 48151,
    "name": "Ada Lovelace",
    "email": "ada@example.com",
    "roles": ["customer", "editor"],
    "theme": "dark",
    "language": "en-GB",
    "visits": 17,
    "csrf": "3f2a9c7d15e84b60a1c2d3e4f5061728",
    "cart": [{"sku": "A-1001", "n": 2}, {"sku": "B-2077", "n": 1}, {"sku": "C-0042", "n": 5}],
    "last_page": "/catalogue/instruments/analytical",
    "messages": ["Your order was sent."],
    "experiments": {"checkout": "b", "search": "a"},
}
# What most applications keep.
SMALL_SESSION: dict[str, Any] = {"visits": 17}

_visits = count(100)


def _fill(session: Mapping[str, Any]) -> Callable[[Request], Awaitable[Response]]:
    async def fill(request: Request) -> Response:
        request.session.update(session)
        return Response()

    return fill


async def _read(request: Request) -> Response:
    return Response(request.session["theme"])


async def _read_small(request: Request) -> Response:
    return Response(str(request.session["visits"]))


async def _change(request: Request) -> Response:
    request.session["visits"] = next(_visits)
    return Response(b"dark")


async def _without(_request: Request) -> Response:
    return Response(b"dark")


async def open_shop(
    peer: Peer,
    folder: Path,
    stack: AsyncExitStack,
    wrap: Wrap = unwrapped,
    session: Mapping[str, Any] = SESSION,
) -> tuple[App, bytes]:
    """The application behind this peer's layer, and the cookie of a session that holds `session`."""
    layer = await stack.enter_async_context(peer.build(folder, wrap))
    if peer is BARE:
        kinds = ("untouched", "read", "change", "read_small", "change_small", "fill_small")
        return Starlette(routes=[Route(f"/{kind}", _without) for kind in kinds]), b""
    read = _read if "theme" in session else _read_small
    handlers = {"/fill": _fill(session), "/untouched": _without, "/read": read, "/change": _change}
    handlers |= {"/fill_small": _fill(SMALL_SESSION), "/read_small": _read_small, "/change_small": _change}
    app = Starlette(routes=[Route(path, handler) for path, handler in handlers.items()], middleware=layer)
    cookie = cookie_of(await ask(app, "/fill"))
    assert cookie is not None
    answer = await ask(app, "/read", cookie)
    kept = str(session.get("theme", session["visits"])).encode()
    assert answer.status == 200 and answer.body == kept, f"{peer.name} did not keep the session"
    return app, cookie
