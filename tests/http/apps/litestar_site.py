"""The site, in Litestar."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from litestar import Litestar, Request, Response, asgi, get, post, route
from litestar.enums import HttpMethod
from litestar.exceptions import NotFoundException
from litestar.middleware import DefineMiddleware
from litestar.params import FromPath
from litestar.response import Redirect, Stream

from sojourn import SojournError
from sojourn.asgi import BrowserEndpoints, SessionMiddleware, commit, logged_in_guard, session_of
from sojourn.core.problem import problem_of
from tests.http.apps import place

manager = place.async_manager()
UNSAFE = [HttpMethod.POST, HttpMethod.PUT, HttpMethod.PATCH, HttpMethod.DELETE]

AnyRequest = Request[Any, Any, Any]


def problem(_: AnyRequest, error: SojournError) -> Response[bytes]:
    found = problem_of(error)
    if found is None:
        raise error
    return Response(found.body(), status_code=found.status, headers=dict(found.headers()))


async def acted(action: str, request: AnyRequest) -> Any:
    body = await request.json() if await request.body() else None
    return place.ACTIONS[action](session_of(request), body)


@route("/do/{action:str}", http_method=UNSAFE, status_code=200)
async def do(action: FromPath[str], request: AnyRequest) -> Any:
    return await acted(action, request)


@route("/see/{action:str}", http_method=[HttpMethod.GET, HttpMethod.HEAD])
async def see(action: FromPath[str], request: AnyRequest) -> Any:
    return await acted(action, request)


@post("/slow/{action:str}/{gate:str}", status_code=200)
async def slow(action: FromPath[str], gate: FromPath[str], request: AnyRequest) -> Any:
    session_of(request).get("cart")
    await place.Gate(gate).wait_async()
    return await acted(action, request)


@route("/nap/{action:str}", http_method=[HttpMethod.GET, HttpMethod.POST], status_code=200)
async def nap(action: FromPath[str], request: AnyRequest) -> Any:
    place.ACTIONS["show"](session_of(request), None)
    await asyncio.sleep(place.NAP)
    return await acted(action, request)


@post("/proved", status_code=200, guards=[logged_in_guard(within=place.RECENT)])
async def proved(request: AnyRequest) -> Any:
    return await acted("echo", request)


@get("/public")
async def public() -> dict[str, str]:
    return {}


@get("/cached")
async def cached(request: AnyRequest) -> Response[dict[str, str]]:
    request.session["seen"] = True
    return Response({}, headers={"Cache-Control": "public, max-age=60", "Vary": "Accept-Encoding"})


@post("/redirect", status_code=303)
async def redirect(request: AnyRequest) -> Redirect:
    request.session["sent"] = True
    return Redirect("/see/show", status_code=303)


@post("/deny")
async def deny(request: AnyRequest) -> None:
    request.session["denied"] = True
    raise NotFoundException


@post("/unwell", status_code=503)
async def unwell(request: AnyRequest) -> dict[str, str]:
    request.session["unwell"] = True
    return {}


@post("/come-and-go")
async def come_and_go(request: AnyRequest) -> dict[str, str]:
    session_of(request).start()
    await commit(request)
    session_of(request).logout()
    return {}


@post("/fail")
async def fail(request: AnyRequest) -> None:
    request.session["failed"] = True
    raise RuntimeError("This handler is broken.")


@get("/sessions")
async def sessions() -> list[str]:
    return [mine.id for mine in await manager.list("nobody")]


@get(["/stream", "/stream-late"])
async def stream(request: AnyRequest) -> Stream:
    session = session_of(request)
    session["streamed"] = True
    late = request.url.path == "/stream-late"

    async def body() -> AsyncIterator[str]:
        for chunk in place.CHUNKS:
            if late:
                session["late"] = True
            yield chunk

    return Stream(body(), media_type="text/plain")


endpoints = asgi("/session", is_mount=True, copy_scope=True)(
    BrowserEndpoints(readable=place.READABLE, writable=place.WRITABLE)
)


async def close() -> None:
    await manager.close()


app = Litestar(
    [
        do,
        see,
        slow,
        nap,
        proved,
        public,
        cached,
        redirect,
        deny,
        unwell,
        come_and_go,
        fail,
        sessions,
        stream,
        endpoints,
    ],
    middleware=[DefineMiddleware(SessionMiddleware, manager=manager, **place.OPTIONS)],
    exception_handlers={SojournError: problem},
    on_shutdown=[close],
    openapi_config=None,
)
