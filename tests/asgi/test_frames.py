"""A traceback, as a reporter of errors sends it with each frame's variables, holds no token."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from sojourn import Policy
from sojourn.asgi import commit
from tests.frames import require_no_secret

from .app import COOKIE, World

WAYS = ["cookie", "cookies", "of one session", "bearer"]


async def fail(request: Any) -> JSONResponse:
    raise RuntimeError("This handler is broken.")


async def fail_later(request: Any) -> JSONResponse:
    request.session["n"] = 1
    await commit(request)
    raise RuntimeError("This handler is broken.")


async def fail_on_a_socket(socket: WebSocket) -> None:
    await socket.accept()
    raise RuntimeError("This handler is broken.")


def new_world() -> World:
    routes = [Route("/fail", fail, methods=["POST"]), Route("/fail-later", fail_later, methods=["POST"])]
    policy = Policy(rotate_interval=60, touch_interval=0)
    return World(*routes, WebSocketRoute("/ws", fail_on_a_socket), policy=policy, script_readable_tokens=True)


def shown(world: World, way: str) -> tuple[dict[str, str], list[str]]:
    """Headers that show a session, or two, and the tokens in them."""
    tokens = []
    for user in ("ada", "eve"):
        browser = world.new_browser()
        browser.post(f"/login/{user}")
        tokens.append(browser.cookies[COOKIE])
    if way == "bearer":
        return {"Authorization": f"Bearer {tokens[0]}", "Sojourn-Transport": "bearer"}, tokens[:1]
    if way == "of one session":
        tokens[1] = tokens[0][:-64] + "0123456789abcdef" * 4
    tokens = tokens[:1] if way == "cookie" else tokens
    return {"Cookie": "; ".join(f"{COOKIE}={token}" for token in tokens)}, tokens


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("path", ["/fail", "/fail-later"])
def test_a_handler_that_fails_shows_no_token(way: str, path: str) -> None:
    world = new_world()
    headers, tokens = shown(world, way)
    world.now += 61_000
    with pytest.raises(RuntimeError) as raised:
        world.new_browser().post(path, headers=headers)

    assert require_no_secret(raised.value, *tokens)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("call", "path"), [("get", "/put"), ("commit", "/put"), ("create", "/login/bob"), ("end", "/logout")]
)
def test_a_store_that_fails_shows_no_token(way: str, call: str, path: str) -> None:
    world = new_world()
    headers, tokens = shown(world, way)
    # Of two live ones none counts: there is nothing to commit, and a new one is made.
    world.store.broken = "create" if (way, call) == ("cookies", "commit") else call
    with pytest.raises(RuntimeError) as raised:
        world.new_browser().post(path, headers=headers, json={"a": 1})

    assert require_no_secret(raised.value, *tokens)


@pytest.mark.parametrize("way", WAYS[:3])
@pytest.mark.parametrize("broken", ["", "get"])
def test_a_websocket_that_fails_shows_no_token(way: str, broken: str) -> None:
    world = new_world()
    headers, tokens = shown(world, way)
    world.store.broken = broken
    with pytest.raises(RuntimeError) as raised, world.new_browser().websocket_connect("/ws", headers=headers) as socket:
        socket.receive()

    assert require_no_secret(raised.value, *tokens)
