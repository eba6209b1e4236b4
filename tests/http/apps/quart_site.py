"""The site, in Quart."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from quart import Quart, abort, jsonify, redirect, request, session
from quart.typing import ResponseReturnValue

from sojourn import SojournError
from sojourn.asgi import BrowserEndpoints, QuartSessions, SessionMiddleware, commit, logged_in, mount, session_of
from sojourn.core.problem import problem_of
from tests.http.apps import place

manager = place.async_manager()
endpoints = BrowserEndpoints(readable=place.READABLE, writable=place.WRITABLE)
site = Quart(__name__)
site.session_interface = QuartSessions()  # type: ignore[assignment]  # Quart knows no interface but its own


@site.errorhandler(SojournError)
async def problem(error: SojournError) -> ResponseReturnValue:
    found = problem_of(error)
    if found is None:
        raise error
    return found.body(), found.status, dict(found.headers())


@site.route("/do/<action>", methods=["POST", "PUT", "PATCH", "DELETE"])
@site.route("/see/<action>")
async def act(action: str) -> ResponseReturnValue:
    body = await request.get_json() if await request.get_data() else None
    return jsonify(place.ACTIONS[action](session_of(request), body))


@site.post("/slow/<action>/<gate>")
async def slow(action: str, gate: str) -> ResponseReturnValue:
    session_of(request).get("cart")
    await place.Gate(gate).wait_async()
    return await act(action)


@site.route("/nap/<action>", methods=["GET", "POST"])
async def nap(action: str) -> ResponseReturnValue:
    place.ACTIONS["show"](session_of(request), None)
    await asyncio.sleep(place.NAP)
    return await act(action)


@site.post("/proved")
@logged_in(within=place.RECENT)
async def proved() -> ResponseReturnValue:
    return await act("echo")


@site.get("/public")
async def public() -> ResponseReturnValue:
    return jsonify({})


@site.get("/cached")
async def cached() -> ResponseReturnValue:
    session["seen"] = True
    return jsonify({}), {"Cache-Control": "public, max-age=60", "Vary": "Accept-Encoding"}


@site.post("/redirect")
async def redirected() -> ResponseReturnValue:
    session_of(request)["sent"] = True
    return redirect("/see/show", 303)


@site.post("/deny")
async def deny() -> ResponseReturnValue:
    session_of(request)["denied"] = True
    abort(404)


@site.post("/unwell")
async def unwell() -> ResponseReturnValue:
    session["unwell"] = True
    return jsonify({}), 503


@site.post("/come-and-go")
async def come_and_go() -> ResponseReturnValue:
    session_of(request).start()
    await commit(request)
    session_of(request).logout()
    return jsonify({})


@site.post("/fail")
async def fail() -> ResponseReturnValue:
    session_of(request)["failed"] = True
    raise RuntimeError("This handler is broken.")


@site.get("/sessions")
async def sessions() -> ResponseReturnValue:
    return jsonify([mine.id for mine in await manager.list("nobody")])


@site.get("/stream")
@site.get("/stream-late")
async def stream() -> Any:
    mine = session_of(request)
    mine["streamed"] = True
    late = request.path == "/stream-late"

    async def body() -> AsyncIterator[str]:
        for chunk in place.CHUNKS:
            if late:
                mine["late"] = True
            yield chunk

    return body(), 200, {"Content-Type": "text/plain"}


@site.after_serving
async def close() -> None:
    await manager.close()


site.asgi_app = SessionMiddleware(  # type: ignore[method-assign]  # as Quart's documentation does
    mount(site.asgi_app, "/session", endpoints), manager, **place.OPTIONS
)
app = site
