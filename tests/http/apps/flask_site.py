"""The site, in Flask. One of its views is a coroutine."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from flask import Flask, abort, jsonify, redirect, request
from flask.typing import ResponseReturnValue

from sojourn.flask import BrowserEndpoints, commit, init_app, logged_in, session
from tests.http.apps import place

manager = place.manager()
app = Flask(__name__)
init_app(app, manager, **place.OPTIONS)
app.register_blueprint(BrowserEndpoints(readable=place.READABLE, writable=place.WRITABLE))


@app.route("/do/<action>", methods=["POST", "PUT", "PATCH", "DELETE"])
@app.route("/see/<action>")
def act(action: str) -> ResponseReturnValue:
    body = request.get_json() if request.get_data() else None
    return jsonify(place.ACTIONS[action](session, body))


@app.post("/proved")
@logged_in(within=place.RECENT)
def proved() -> ResponseReturnValue:
    return act("echo")


@app.post("/slow/<action>/<gate>")
def slow(action: str, gate: str) -> ResponseReturnValue:
    session.get("cart")
    place.Gate(gate).wait()
    return act(action)


@app.route("/nap/<action>", methods=["GET", "POST"])
async def nap(action: str) -> ResponseReturnValue:
    place.ACTIONS["show"](session, None)
    await asyncio.sleep(place.NAP)
    return act(action)


@app.get("/public")
def public() -> ResponseReturnValue:
    return jsonify({})


@app.get("/cached")
def cached() -> ResponseReturnValue:
    session["seen"] = True
    return jsonify({}), {"Cache-Control": "public, max-age=60", "Vary": "Accept-Encoding"}


@app.post("/redirect")
def redirected() -> ResponseReturnValue:
    session["sent"] = True
    return redirect("/see/show", 303)


@app.post("/deny")
def deny() -> ResponseReturnValue:
    session["denied"] = True
    abort(404)


@app.post("/unwell")
def unwell() -> ResponseReturnValue:
    session["unwell"] = True
    return jsonify({}), 503


@app.post("/come-and-go")
def come_and_go() -> ResponseReturnValue:
    session.start()
    commit()
    session.logout()
    return jsonify({})


@app.post("/fail")
def fail() -> ResponseReturnValue:
    session["failed"] = True
    raise RuntimeError("This handler is broken.")


@app.get("/sessions")
def sessions() -> ResponseReturnValue:
    return jsonify([mine.id for mine in manager.list("nobody")])


@app.get("/stream")
def stream() -> ResponseReturnValue:
    session["streamed"] = True
    return iter(place.CHUNKS), 200, {"Content-Type": "text/plain"}


@app.get("/stream-late")
def stream_late() -> ResponseReturnValue:
    session["streamed"] = True
    late = session._get_current_object()  # type: ignore[attr-defined]  # beneath Flask's proxy

    def body() -> Iterator[str]:
        for chunk in place.CHUNKS:
            yield chunk
            late["late"] = True

    return body(), 200, {"Content-Type": "text/plain"}
