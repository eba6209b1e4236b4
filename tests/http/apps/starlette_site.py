"""The site, in Starlette."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Mount, Route

from sojourn.asgi import BrowserEndpoints, SessionMiddleware, commit, logged_in, session_of
from tests.http.apps import place

manager = place.async_manager()


async def act(request: Request) -> Response:
    return await acted(request.path_params["action"], request)


async def acted(action: str, request: Request) -> Response:
    body = await request.json() if await request.body() else None
    return JSONResponse(place.ACTIONS[action](session_of(request), body))


async def slow(request: Request) -> Response:
    session_of(request).get("cart")
    await place.Gate(request.path_params["gate"]).wait_async()
    return await act(request)


async def nap(request: Request) -> Response:
    place.ACTIONS["show"](session_of(request), None)
    await asyncio.sleep(place.NAP)
    return await act(request)


@logged_in(within=place.RECENT)
async def proved(request: Request) -> Response:
    return await acted("echo", request)


async def public(request: Request) -> Response:
    return JSONResponse({})


async def cached(request: Request) -> Response:
    request.session["seen"] = True
    return JSONResponse({}, headers={"Cache-Control": "public, max-age=60", "Vary": "Accept-Encoding"})


async def redirect(request: Request) -> Response:
    request.session["sent"] = True
    return RedirectResponse("/see/show", 303)


async def deny(request: Request) -> Response:
    request.session["denied"] = True
    raise HTTPException(404)


async def unwell(request: Request) -> Response:
    request.session["unwell"] = True
    return JSONResponse({}, 503)


async def come_and_go(request: Request) -> Response:
    session_of(request).start()
    await commit(request)
    session_of(request).logout()
    return JSONResponse({})


async def fail(request: Request) -> Response:
    request.session["failed"] = True
    raise RuntimeError("This handler is broken.")


async def sessions(request: Request) -> Response:
    return JSONResponse([mine.id for mine in await manager.list("nobody")])


async def stream(request: Request) -> Response:
    session = session_of(request)
    session["streamed"] = True
    late = request.url.path == "/stream-late"

    async def body() -> AsyncIterator[str]:
        for chunk in place.CHUNKS:
            if late:
                session["late"] = True
            yield chunk

    return StreamingResponse(body(), media_type="text/plain")


@asynccontextmanager
async def lifespan(_: Starlette) -> AsyncIterator[None]:
    yield
    await manager.close()


app = Starlette(
    routes=[
        Route("/do/{action}", act, methods=["POST", "PUT", "PATCH", "DELETE"]),
        Route("/see/{action}", act),
        Route("/slow/{action}/{gate}", slow, methods=["POST"]),
        Route("/nap/{action}", nap, methods=["GET", "POST"]),
        Route("/proved", proved, methods=["POST"]),
        Route("/public", public),
        Route("/cached", cached),
        Route("/redirect", redirect, methods=["POST"]),
        Route("/deny", deny, methods=["POST"]),
        Route("/unwell", unwell, methods=["POST"]),
        Route("/come-and-go", come_and_go, methods=["POST"]),
        Route("/fail", fail, methods=["POST"]),
        Route("/sessions", sessions),
        Route("/stream", stream),
        Route("/stream-late", stream),
        Mount("/session", BrowserEndpoints(readable=place.READABLE, writable=place.WRITABLE)),
    ],
    middleware=[Middleware(SessionMiddleware, manager=manager, **place.OPTIONS)],
    lifespan=lifespan,
)
