"""The site, in FastAPI. Some of its handlers are plain functions, which FastAPI runs on threads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Body, Depends, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse, RedirectResponse, StreamingResponse

from sojourn import Session
from sojourn.asgi import BrowserEndpoints, SessionMiddleware, commit
from sojourn.fastapi import CurrentSession, logged_in
from tests.http.apps import place

Sent = Annotated[Any, Body()]

manager = place.async_manager()


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    yield
    await manager.close()


app = FastAPI(lifespan=lifespan, root_path=place.ROOT_PATH)
app.mount("/session", BrowserEndpoints(readable=place.READABLE, writable=place.WRITABLE))
app.add_middleware(SessionMiddleware, manager=manager, **place.OPTIONS)


@app.api_route("/do/{action}", methods=["POST", "PUT", "PATCH", "DELETE"])
def do(action: str, session: CurrentSession, body: Sent = None) -> Any:
    return place.ACTIONS[action](session, body)


@app.api_route("/see/{action}", methods=["GET", "HEAD"])
async def see(action: str, session: CurrentSession) -> Any:
    return place.ACTIONS[action](session, None)


@app.post("/proved")
async def proved(session: Annotated[Session, Depends(logged_in(within=place.RECENT))], body: Sent = None) -> Any:
    return place.ACTIONS["echo"](session, body)


@app.post("/slow/{action}/{gate}")
def slow(action: str, gate: str, session: CurrentSession, body: Sent = None) -> Any:
    session.get("cart")
    place.Gate(gate).wait()
    return place.ACTIONS[action](session, body)


@app.api_route("/nap/{action}", methods=["GET", "POST"])
async def nap(action: str, session: CurrentSession, body: Sent = None) -> Any:
    place.ACTIONS["show"](session, None)
    await asyncio.sleep(place.NAP)
    return place.ACTIONS[action](session, body)


@app.get("/public")
async def public() -> dict[str, str]:
    return {}


@app.get("/cached")
async def cached(session: CurrentSession) -> JSONResponse:
    session["seen"] = True
    return JSONResponse({}, headers={"Cache-Control": "public, max-age=60", "Vary": "Accept-Encoding"})


@app.post("/redirect")
async def redirect(session: CurrentSession) -> RedirectResponse:
    session["sent"] = True
    return RedirectResponse("/see/show", 303)


@app.post("/deny")
async def deny(session: CurrentSession) -> None:
    session["denied"] = True
    raise HTTPException(404)


@app.post("/unwell")
async def unwell(session: CurrentSession) -> None:
    session["unwell"] = True
    raise HTTPException(503)


@app.post("/come-and-go")
async def come_and_go(request: Request, session: CurrentSession) -> None:
    session.start()
    await commit(request)
    session.logout()


@app.post("/fail")
async def fail(session: CurrentSession) -> None:
    session["failed"] = True
    raise RuntimeError("This handler is broken.")


@app.get("/sessions")
async def sessions() -> list[str]:
    return [mine.id for mine in await manager.list("nobody")]


@app.get("/stream")
async def stream(session: CurrentSession) -> StreamingResponse:
    session["streamed"] = True
    return StreamingResponse(iter(place.CHUNKS), media_type="text/plain")


@app.get("/stream-late")
async def stream_late(session: CurrentSession) -> StreamingResponse:
    session["streamed"] = True

    def body() -> Iterator[str]:
        for chunk in place.CHUNKS:
            session["late"] = True
            yield chunk

    return StreamingResponse(body(), media_type="text/plain")
