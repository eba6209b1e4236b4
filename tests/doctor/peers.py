"""A cart on other people's sessions: Starlette's own, and Flask-Session's."""

from __future__ import annotations

import time
from typing import Any

import flask
from cachelib.simple import SimpleCache
from flask_session.cachelib import CacheLibSessionInterface  # type: ignore[import-untyped]
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route


async def log_in(request: Request) -> JSONResponse:
    request.session["user"] = "ada"
    return JSONResponse({})


async def put(request: Request) -> JSONResponse:
    request.session["cart"] = [*request.session.get("cart", []), (await request.form())["item"]]
    return JSONResponse({})


async def show(request: Request) -> JSONResponse:
    return JSONResponse(request.session.get("cart", []))


async def log_out(request: Request) -> JSONResponse:
    request.session.clear()
    return JSONResponse({})


def starlette() -> Starlette:
    return Starlette(
        routes=[
            Route("/login", log_in, methods=["POST"]),
            Route("/cart", put, methods=["POST"]),
            Route("/cart", show),
            Route("/logout", log_out, methods=["POST"]),
        ],
        middleware=[Middleware(SessionMiddleware, secret_key="not a secret")],
    )


def flask_session() -> flask.Flask:
    app = flask.Flask(__name__)
    app.session_interface = CacheLibSessionInterface(app, client=SimpleCache())

    @app.post("/login")
    def log_in() -> dict[str, Any]:
        flask.session["user"] = "ada"
        return {}

    @app.post("/cart")
    @app.post("/slow")
    def put() -> dict[str, Any]:
        cart = flask.session.get("cart", [])
        time.sleep(0.8 if flask.request.path == "/slow" else 0.05)
        flask.session["cart"] = [*cart, flask.request.form["item"]]
        return {}

    @app.get("/cart")
    def show() -> list[str]:
        return list(flask.session.get("cart", []))

    @app.post("/logout")
    def log_out() -> dict[str, Any]:
        flask.session.clear()
        return {}

    return app
