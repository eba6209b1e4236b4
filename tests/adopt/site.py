"""A site that moved here: our middleware with an adoption, and browsers that came before the move."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient

from sojourn import AsyncSessionManager, Policy
from sojourn.adopt import Adoption, Layer
from sojourn.asgi import SessionMiddleware
from sojourn.core.events import Event
from sojourn.stores.memory import AsyncMemoryStore, MemoryStore

COOKIE = "__Host-session"
SOON = datetime.now(UTC).date() + timedelta(days=30)
MINUTE = 60_000
DAY = 86_400_000


class Site:
    """The application after the move, on a clock that starts at the real time: old cookies hold that."""

    def __init__(
        self, *layers: Layer, policy: Policy | None = None, days: int = 30, remember: bool = False, **options: Any
    ) -> None:
        self.now = int(datetime.now(UTC).timestamp() * 1000)
        self.events: list[Event] = []
        self.kept = MemoryStore()
        self.manager = AsyncSessionManager(
            AsyncMemoryStore(self.kept), policy, on_event=self.events.append, clock=lambda: self.now
        )
        adoption = Adoption(*layers, until=datetime.now(UTC) + timedelta(days=days), remember=remember)
        self.app = Starlette(routes=ROUTES)
        self.app.add_middleware(SessionMiddleware, manager=self.manager, adopt=adoption, **options)

    def browser(self, old: dict[str, str] | None = None) -> TestClient:
        """A browser with these cookies of the old application."""
        client = TestClient(self.app, base_url="https://testserver", raise_server_exceptions=False)
        for name, value in (old or {}).items():
            client.cookies.set(name, value, domain="testserver.local", path="/")
        return client

    def see(self, old: dict[str, str]) -> Any:
        """What a browser that shows these cookies, and keeps none that it gets, is answered."""
        return self.browser(old).get("/me").json()

    def users(self) -> list[str | None]:
        """Who has live sessions."""
        live = [record for record in self.kept.scan("", 1000) if record.end_reason_at(self.now) is None]
        return [record.user_id for record in live if record.user_id is not None]

    def told(self) -> list[str]:
        return [type(event).__name__ for event in self.events]


NOBODY: dict[str, object] = {"user": None, "data": {}, "authenticated_at": None, "end_reason": None}


async def me(request: Any) -> JSONResponse:
    session = request.session
    return JSONResponse(
        {
            "user": session.user_id,
            "data": dict(session),
            "authenticated_at": session.authenticated_at,
            "end_reason": session.end_reason,
        }
    )


async def log_in(request: Any) -> JSONResponse:
    request.session.login("bob")
    return JSONResponse({})


async def log_out(request: Any) -> JSONResponse:
    request.session.logout()
    return JSONResponse({})


async def put(request: Any) -> JSONResponse:
    request.session[request.path_params["key"]] = 1
    return JSONResponse({})


async def fail(request: Any) -> JSONResponse:
    raise RuntimeError("a bug of the site's")


async def socket(socket: Any) -> None:
    await socket.accept()
    await socket.send_text(str(socket.session.user_id))
    await socket.close()


ROUTES = [
    WebSocketRoute("/socket", socket),
    Route("/me", me),
    Route("/login", log_in, methods=["POST"]),
    Route("/logout", log_out, methods=["POST"]),
    Route("/put/{key}", put, methods=["POST"]),
    Route("/fail", fail),
]
