"""A site with what goes on for long: an event stream, a subscription, a Socket.IO room, a long poll."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import socketio  # type: ignore[import-untyped]
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket

from sojourn import AsyncSessionManager
from sojourn.asgi import BrowserEndpoints, SessionMiddleware, until_ended
from tests.servers.port import find_port

__all__ = ["Site", "begin", "cookie"]

COOKIE = "__Host-session"


async def begin(manager: AsyncSessionManager, user_id: str = "ada", **data: Any) -> tuple[str, str]:
    """A session that somebody has logged in in: its id, and its token."""
    session = manager.anonymous()
    session.login(user_id)
    session.update(data)
    reply = await manager.commit(session)
    assert session.id
    assert reply.token
    return session.id, reply.token.reveal()


class Site:
    """An application and its manager; `closed` names what was closed of the makers of items."""

    def __init__(self, manager: AsyncSessionManager) -> None:
        self.manager = manager
        self.closed: list[str] = []
        self.url = ""
        routes = [
            Route("/feed", self.feed),
            Route("/poll", self.poll),
            WebSocketRoute("/subscribe", self.subscribe),
            Mount("/session", BrowserEndpoints(readable={"theme"})),
        ]
        self.sio = socketio.AsyncServer(async_mode="asgi", always_connect=True)
        self.sio.on("connect", self.connect)
        self.sio.on("disconnect", self.disconnect)
        self.app = SessionMiddleware(socketio.ASGIApp(self.sio, Starlette(routes=routes)), manager)

    async def prices(self, name: str) -> AsyncIterator[str]:
        """One price, and then none for long."""
        try:
            yield "data: 1\n\n"
            await asyncio.Event().wait()
        finally:
            self.closed.append(name)

    async def feed(self, request: Request) -> StreamingResponse:
        ending = until_ended(request)

        async def lines() -> AsyncIterator[str]:
            async for line in ending.each(self.prices("feed")):
                yield line
            yield f"event: end\ndata: {ending.reason}\n\n"

        return StreamingResponse(lines(), media_type="text/event-stream")

    async def poll(self, request: Request) -> JSONResponse:
        async with until_ended(request) as ending:
            await asyncio.Event().wait()
        return JSONResponse({"ended": ending.reason})

    async def subscribe(self, socket: WebSocket) -> None:
        """As GraphQL's libraries do it: a task for each subscription, which sends what a generator makes."""
        await socket.accept(subprotocol="graphql-transport-ws")

        async def send_all() -> None:
            async for price in self.prices("subscribe"):
                await socket.send_json({"type": "next", "payload": price})

        sending = asyncio.create_task(send_all())
        try:
            async for _ in socket.iter_json():
                pass
        finally:
            sending.cancel()

    async def connect(self, sid: str, environ: dict[str, Any]) -> None:
        session = environ["asgi.scope"]["session"]
        await self.sio.enter_room(sid, session.user_id)
        self.sio.start_background_task(self.leave_at_end, sid, session.id)

    async def leave_at_end(self, sid: str, id: str) -> None:
        await self.manager.wait_for_end(id)
        await self.sio.disconnect(sid)

    async def disconnect(self, sid: str, _reason: str) -> None:
        self.closed.append("room")

    @asynccontextmanager
    async def served(self) -> AsyncIterator[None]:
        """Over a real socket, in this event loop."""
        port = find_port()
        config = uvicorn.Config(self.app, port=port, log_level="error", lifespan="off")
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.01)
        self.url = f"http://localhost:{port}"
        try:
            yield
        finally:
            server.should_exit = server.force_exit = True
            await serving


def cookie(token: str) -> dict[str, str]:
    """The headers of a browser that has this session."""
    return {"Cookie": f"{COOKIE}={token}"}
