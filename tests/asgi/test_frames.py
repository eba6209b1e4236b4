"""A traceback, as a reporter of errors sends it with each frame's variables, holds no token."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from sojourn import Policy
from sojourn.asgi import commit
from tests.frames import WAYS, require_no_secret, shown

from .app import COOKIE, World


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


def shown_by(world: World, way: str) -> tuple[dict[str, str], list[str]]:
    browsers = [world.new_browser() for _ in range(2)]
    for user, browser in zip(("ada", "eve"), browsers, strict=True):
        browser.post(f"/login/{user}")
    return shown(way, *(browser.cookies[COOKIE] for browser in browsers))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("path", ["/fail", "/fail-later"])
def test_a_handler_that_fails_shows_no_token(way: str, path: str) -> None:
    world = new_world()
    headers, tokens = shown_by(world, way)
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
    headers, tokens = shown_by(world, way)
    # Of two live ones none counts: there is nothing to commit, and a new one is made.
    world.store.broken = "create" if (way, call) == ("cookies", "commit") else call
    with pytest.raises(RuntimeError) as raised:
        world.new_browser().post(path, headers=headers, json={"a": 1})

    assert require_no_secret(raised.value, *tokens)


@pytest.mark.parametrize("way", WAYS[:3])
@pytest.mark.parametrize("broken", ["", "get"])
def test_a_websocket_that_fails_shows_no_token(way: str, broken: str) -> None:
    world = new_world()
    headers, tokens = shown_by(world, way)
    world.store.broken = broken
    with pytest.raises(RuntimeError) as raised, world.new_browser().websocket_connect("/ws", headers=headers) as socket:
        socket.receive()

    assert require_no_secret(raised.value, *tokens)
