"""A Starlette application: parallel requests, counting, polling, and events in the log.

uvicorn --app-dir examples starlette_app:app
"""

from __future__ import annotations

import asyncio
import logging
import os

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sojourn import AsyncSessionManager, Event, open_async_store
from sojourn.asgi import SessionMiddleware, session_of

logging.basicConfig(level=logging.INFO, format="%(message)s")
logger = logging.getLogger(__name__)


def tell(event: Event) -> None:
    """No event holds a token, so all of it may be logged."""
    logger.info("%s %s", type(event).__name__, event.id)


async def visit(request: Request) -> Response:
    """Takes a while, as if it asked a database. Parallel visits all count, and all their keys are kept."""
    session = session_of(request)
    await asyncio.sleep(0.05)
    session[request.path_params["page"]] = True
    session.increment("visits")
    return Response(status_code=204)


async def show(request: Request) -> Response:
    """A page that polls this does not keep the session alive by it."""
    session = session_of(request)
    session.passive = True
    return JSONResponse({"status": session.status, "end_reason": session.end_reason, "data": dict(session)})


async def leave(request: Request) -> Response:
    session_of(request).logout()
    return Response(status_code=204)


manager = AsyncSessionManager(
    open_async_store(os.environ.get("SOJOURN_STORE", "sqlite:///sessions.sqlite3")), on_event=tell
)
app = Starlette(
    routes=[
        Route("/", show),
        Route("/visit/{page}", visit, methods=["POST"]),
        Route("/leave", leave, methods=["POST"]),
    ],
    middleware=[Middleware(SessionMiddleware, manager=manager)],
)
