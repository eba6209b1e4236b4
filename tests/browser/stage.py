"""Stage: the browser endpoints and a log-in on a real server, whose clock, delays and answers a test directs."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket

from sojourn import AsyncSessionManager, Policy
from sojourn.asgi import BrowserEndpoints, SessionMiddleware
from sojourn.asgi.types import App, Message, Receive, Scope, Send
from sojourn.stores.memory import AsyncMemoryStore

PAGE = """<!doctype html>
<html lang="en"><title>Stage</title>
<script type="module">import * as sojourn from "/session/client.js"; Object.assign(window, sojourn);</script>
"""
EXAMPLE = Path(__file__).parents[2] / "examples/browser.html"
WRITABLE = {"theme", "a", "b", "n", "list"}


class Stage:
    """`asked` are the requests so far, as "GET /session/". `skew` is how many milliseconds its clock is ahead."""

    def __init__(self, policy: Policy | None = None, *, static: Path | None = None) -> None:
        self.url = ""
        self.skew = 0
        self.stands_at: int | None = None
        self.asked: list[str] = []
        self._answers: dict[str, Response] = {}
        self._before: dict[str, asyncio.Event] = {}
        self._after: dict[str, asyncio.Event] = {}
        self.manager = AsyncSessionManager(AsyncMemoryStore(), policy, clock=self.now)
        self._static = static
        self._built: App | None = None

    @property
    def _app(self) -> App:
        # Made when its URL is known, of which proofs speak.
        if self._built is None:
            self._built = self._build()
        return self._built

    def _build(self) -> App:
        endpoints = BrowserEndpoints(writable=WRITABLE, readable={"seen"})
        routes: list[BaseRoute] = [
            Route("/login", log_in, methods=["POST"]),
            Route("/remember", remember, methods=["POST"]),
            Route("/pay", pay, methods=["POST"]),
            Route("/api", api),
            Route("/moved", moved),
            Route("/page", page),
            Route("/blank", blank),
            WebSocketRoute("/socket", socket_of),
            Route("/example", example),
            Mount("/session", endpoints),
        ]
        if self._static:
            routes.append(Mount("/front", StaticFiles(directory=self._static)))
        origin = None if self.manager.policy.binding == "off" else self.url
        sessions = Middleware(
            SessionMiddleware, manager=self.manager, script_readable_tokens=True, public_origin=origin
        )
        return Starlette(routes=routes, middleware=[sessions])

    def now(self) -> int:
        return (self.stands_at or int(time.time() * 1000)) + self.skew

    def count(self, kind: str) -> int:
        return self.asked.count(kind)

    def answer(self, kind: str, response: Response) -> None:
        """From now on, this instead of the application's answer to requests of a kind, as "GET /session/"."""
        self._answers[kind] = response

    def answer_all(self, response: Response) -> None:
        """This in the place of every answer of the session's endpoints: a gateway that has its own mind."""
        self._answers["/session"] = response

    def be_itself(self) -> None:
        self._answers.clear()

    def delay(self, kind: str) -> asyncio.Event:
        """Holds the next request of a kind back before anything has looked at it, until the event is set."""
        return self._before.setdefault(kind, asyncio.Event())

    def hold(self, kind: str) -> asyncio.Event:
        """Holds the next answer to a kind back, when it is made already, until the event is set."""
        return self._after.setdefault(kind, asyncio.Event())

    async def until_asked(self, kind: str, times: int = 1) -> None:
        async with asyncio.timeout(45):
            while self.count(kind) < times:
                await asyncio.sleep(0.005)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        kind = f"{scope['method']} {scope['path']}"
        self.asked.append(kind)
        if before := self._before.pop(kind, None):
            await before.wait()
        if (found := self._answer_to(kind, scope["path"])) is not None:
            await found(scope, receive, send)
            return
        after = self._after.pop(kind, None)

        async def hold(message: Message) -> None:
            if after:
                await after.wait()
            await send(message)

        await self._app(scope, receive, hold)

    def _answer_to(self, kind: str, path: str) -> Response | None:
        is_session = path.startswith("/session/") and not path.endswith(".js")
        return self._answers.get(kind) or (self._answers.get("/session") if is_session else None)


async def log_in(request: Request) -> JSONResponse:
    body = await request.body()
    request.session.login(json.loads(body)["user"] if body else "ada")  # type: ignore[attr-defined]
    return JSONResponse({"welcome": True})


async def socket_of(socket: WebSocket) -> None:
    """Says whose it is."""
    await socket.accept()
    await socket.send_json(socket.scope["session"].user_id)
    await socket.close()


async def remember(request: Request) -> JSONResponse:
    """Logs in for longer than the browser runs."""
    request.session.login("ada", remember=True)  # type: ignore[attr-defined]
    return JSONResponse({"welcome": True})


async def pay(request: Request) -> JSONResponse:
    """Takes money, from who logged in in the last five minutes."""
    body = await request.body()
    user = request.session.require_login(within=300)  # type: ignore[attr-defined]
    return JSONResponse({"paid": body.decode(), "by": user})


async def api(request: Request) -> JSONResponse:
    return JSONResponse({"cookie": "cookie" in request.headers, "x": request.headers.get("x-a")})


async def moved(_: Request) -> RedirectResponse:
    return RedirectResponse("/api")


async def page(_: Request) -> HTMLResponse:
    return HTMLResponse(PAGE)


async def blank(_: Request) -> HTMLResponse:
    return HTMLResponse('<!doctype html><html lang="en"><title>Blank</title>')


async def example(_: Request) -> FileResponse:
    return FileResponse(EXAMPLE)


class _Server(uvicorn.Server):
    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]
        return nullcontext()  # pytest's own are left alone


@asynccontextmanager
async def serve(app: Any, host: str = "localhost", tls: Path | None = None) -> AsyncIterator[str]:
    """`app` on a free port of this machine, on this loop, with TLS if there is a certificate; its URL."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = _Server(uvicorn.Config(app, log_level="critical", lifespan="off", ssl_certfile=tls))
        task = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started:
            await asyncio.sleep(0.005)
        yield f"http{'s' if tls else ''}://{host}:{listener.getsockname()[1]}"
        for connection in server.server_state.connections:
            connection.transport.abort()  # a TLS connection waits for the browser to agree
        server.should_exit = server.force_exit = True
        await task
