"""WebSockets over a remote manager: judged at the handshake, and closed when their session ends."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from sojourn.asgi import BrowserEndpoints, SessionMiddleware
from sojourn.remote import AsyncRemoteSessionManager, RemoteSessionManager

from .service import Service, begin


async def echo(socket: Any) -> None:
    await socket.accept()
    async for text in socket.iter_text():
        await socket.send_json({"user": socket.session.user_id, "text": text})


def test_a_socket_has_its_session_and_is_closed_when_that_ends(strict: Service) -> None:
    """Where a new secret is due at every commit: the socket's own grows old, and is not shown again."""
    there = RemoteSessionManager(strict.url, strict.key)
    manager = AsyncRemoteSessionManager(strict.url, strict.key)
    app = Starlette(routes=[WebSocketRoute("/echo", echo)])
    app.add_middleware(SessionMiddleware, manager=manager)
    token = begin(there, "ada-of-the-socket")
    headers = {"cookie": f"__Host-session={token}"}
    with TestClient(app, base_url="https://testserver").websocket_connect(
        "wss://testserver/echo", headers=headers
    ) as socket:
        for text in ("hello", "again"):
            socket.send_text(text)
            assert socket.receive_json() == {"user": "ada-of-the-socket", "text": text}
            time.sleep(0.15)
        assert there.open(token).status == "active"
        assert there.revoke(token[4:36])
        with pytest.raises(WebSocketDisconnect) as closed:
            socket.receive_json()
    there.close()
    asyncio.run(manager.close())

    assert (closed.value.code, closed.value.reason) == (1008, "revoked")


def test_a_session_is_found_by_its_id_live_or_ended(manager: RemoteSessionManager) -> None:
    token = begin(manager, "ada")
    live = manager.get(token[4:36])
    manager.revoke(token[4:36])
    over = manager.get(token[4:36])

    assert live
    assert over
    assert (live.user_id, live.end_reason, over.end_reason) == ("ada", None, "revoked")
    assert live.idle_timeout == 1_800_000
    assert manager.get("0" * 32) is None
    assert manager.get("x") is None


def test_there_is_no_event_stream_over_a_service_and_that_is_said(service: Service) -> None:
    manager = AsyncRemoteSessionManager(service.url, service.key)
    app = Starlette(routes=[Mount("/session", BrowserEndpoints())])
    app.add_middleware(SessionMiddleware, manager=manager)
    answer = TestClient(app, base_url="https://testserver").get("/session/events")
    asyncio.run(manager.close())

    assert (answer.status_code, answer.json()["type"]) == (501, "urn:sojourn:problem:no-events")
