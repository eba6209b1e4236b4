"""WebSockets: judged at the handshake, and closed when their session ends."""

from __future__ import annotations

import time
from typing import Any

import pytest
from starlette.routing import WebSocketRoute
from starlette.testclient import WebSocketDenialResponse
from starlette.websockets import WebSocketDisconnect

from sojourn import InvalidData, SessionCommitted

from .app import COOKIE, World


async def echo(socket: Any) -> None:
    await socket.accept()
    async for text in socket.iter_text():
        await socket.send_json({"user": socket.session.user_id, "text": text})


def world(**options: Any) -> World:
    return World(WebSocketRoute("/echo", echo), **options)


def test_a_socket_has_its_session() -> None:
    here = world()
    here.browser.post("/login/ada")
    with here.browser.websocket_connect("wss://testserver/echo") as socket:
        socket.send_text("hello")

        assert socket.receive_json() == {"user": "ada", "text": "hello"}


def test_a_handshake_from_another_origin_is_refused() -> None:
    here = world(trusted_origins=["https://friend.example"])
    here.browser.post("/login/ada")
    for origin in ("https://evil.example", "null", "https://testserver.evil.example"):
        with pytest.raises((WebSocketDisconnect, WebSocketDenialResponse)):
            here.browser.websocket_connect("wss://testserver/echo", headers={"origin": origin}).__enter__()
    for origin in ("https://testserver", "https://friend.example"):
        with here.browser.websocket_connect("wss://testserver/echo", headers={"origin": origin}) as socket:
            socket.send_text("hello")
            assert socket.receive_json()["user"] == "ada"


def test_a_socket_is_closed_when_its_session_ends() -> None:
    here = world()
    here.browser.post("/login/ada")
    with here.browser.websocket_connect("wss://testserver/echo") as socket:
        socket.send_text("hello")
        socket.receive_json()
        here.browser.post("/logout")
        with pytest.raises(WebSocketDisconnect) as closed:
            socket.receive_json()

    assert (closed.value.code, closed.value.reason) == (1008, "logout")


def test_a_message_counts_as_activity() -> None:
    here = world()
    here.browser.post("/login/ada")
    token = here.browser.cookies[COOKIE]
    with here.browser.websocket_connect("wss://testserver/echo") as socket:
        here.now += 29 * 60_000
        socket.send_text("still here")
        socket.receive_json()
        deadline = time.monotonic() + 10
        while "commit" not in here.store.asked and time.monotonic() < deadline:
            time.sleep(0.01)
    here.now += 2 * 60_000

    assert here.run(lambda: here.manager.open(token)).user_id == "ada"


def test_an_idle_socket_does_not_keep_its_session_alive() -> None:
    here = world()
    here.browser.post("/login/ada")
    with here.browser.websocket_connect("wss://testserver/echo") as socket:
        here.now += 31 * 60_000
        with pytest.raises(WebSocketDisconnect) as closed:
            socket.receive_json()

    assert closed.value.reason == "idle_timeout"


def test_a_change_at_the_handshake_is_kept_and_sets_the_cookie() -> None:
    async def greet(socket: Any) -> None:
        socket.session["greeted"] = True
        await socket.accept()
        await socket.close()

    here = World(WebSocketRoute("/greet", greet))
    with here.browser.websocket_connect("wss://testserver/greet") as socket:
        headers: dict[bytes, bytes] = dict(socket.extra_headers or [])

    assert headers[b"set-cookie"].startswith(f"{COOKIE}=sj1-".encode())


def test_a_change_after_the_handshake_is_an_error() -> None:
    async def late(socket: Any) -> None:
        await socket.accept()
        socket.session["late"] = True

    here = World(WebSocketRoute("/late", late))
    with pytest.raises(SessionCommitted), here.browser.websocket_connect("wss://testserver/late") as socket:
        socket.receive_text()


def test_a_mistake_at_the_handshake_is_an_error_that_the_developer_sees() -> None:
    async def wrong(socket: Any) -> None:
        socket.session["when"] = {1, 2}
        await socket.accept()

    here = World(WebSocketRoute("/wrong", wrong))
    with pytest.raises(InvalidData, match="set"), here.browser.websocket_connect("wss://testserver/wrong"):
        pass
