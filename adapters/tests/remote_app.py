"""The applications of the Python sites: they do what a request says, step by step, and tell what came of it."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from sojourn import Client, CookieOptions, Session, SojournError, problem_of
from sojourn.asgi import SessionMiddleware
from sojourn.remote import AsyncRemoteSessionManager, RemoteSessionManager
from sojourn.wsgi import SessionMiddleware as WSGIMiddleware
from sojourn.wsgi import session_of

__all__ = ["asgi", "serve", "wsgi"]

logger = logging.getLogger(__name__)

SERVICE = (os.environ["SOJOURN_SERVICE"], os.environ["SOJOURN_KEY"])
TRUSTED = ["https://trusted.example.com"]
PUBLIC_ORIGIN = os.environ.get("SITE_PUBLIC_ORIGIN")
BEARER: Any = {"script_readable_tokens": True, "public_origin": PUBLIC_ORIGIN} if PUBLIC_ORIGIN else {}
STEPS: Mapping[str, Callable[..., Any]] = {
    "set": Session.__setitem__,
    "increment": Session.increment,
    "login": lambda session, user, proved=None: session.login(user, **proved or {}),
    "require_login": lambda session, proof: session.require_login(**proof),
    "grant": lambda session, action, within=120: session.grant_once(action, within=within),
    "use_grant": Session.use_grant,
    "proved": lambda session: {"level": session.level, "methods": session.methods},
    "logout": Session.logout,
    "regenerate": Session.regenerate,
    "facts": lambda session: {
        "id": session.id,
        "user_id": session.user_id,
        "end_reason": session.end_reason,
    },
}


def perform(session: Session, steps: list[list[Any]]) -> list[Any]:
    """What each step came to."""
    return [STEPS[name](session, *more) for name, *more in steps]


def asgi() -> Starlette:
    """Over an AsyncRemoteSessionManager, in the middleware."""
    logging.basicConfig(level=logging.DEBUG)

    async def ready(request: Request) -> Response:
        return PlainTextResponse("ready")

    async def do(request: Request) -> Response:
        return JSONResponse(perform(request.scope["session"], (await request.json())["do"]))

    async def note(request: Request) -> Response:
        return JSONResponse(perform(request.scope["session"], [["facts"]]))

    async def ask(request: Request) -> Response:
        return JSONResponse(perform(request.scope["session"], json.loads(request.query_params["ask"])["do"]))

    routes = [Route("/ready", ready), Route("/notes/1", note), Route("/", ask), Route("/", do, methods=["POST"])]
    app = Starlette(routes=routes)
    manager = AsyncRemoteSessionManager(*SERVICE)
    app.add_middleware(SessionMiddleware, manager=manager, trusted_origins=TRUSTED, **BEARER)
    return app


def wsgi() -> WSGIMiddleware:
    """Over a RemoteSessionManager, in the middleware of WSGI."""
    logging.basicConfig(level=logging.DEBUG)

    def app(environ: Mapping[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        asked = parse_qs(environ["QUERY_STRING"]).get("ask")
        text = asked[0] if asked else environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        done = perform(session_of(environ), json.loads(text)["do"]) if text else "ready"
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps(done).encode()]

    return WSGIMiddleware(app, RemoteSessionManager(*SERVICE), trusted_origins=TRUSTED, **BEARER)


class Handler(BaseHTTPRequestHandler):
    """Over a RemoteSessionManager, by hand, in a thread for each request."""

    manager: RemoteSessionManager
    cookie = CookieOptions()

    def do_GET(self) -> None:
        self._send(200, "ready")

    def do_POST(self) -> None:
        steps = json.loads(self.rfile.read(int(self.headers["content-length"])))["do"]
        tokens = self.cookie.find((self.headers["cookie"] or "").encode("latin-1"))
        client = Client.of(self.client_address[0], self.headers["user-agent"] or "")
        try:
            session = self.manager.open(tokens[0], client) if len(set(tokens)) == 1 else self.manager.anonymous(client)
            results = perform(session, steps)
            reply = self.manager.commit(session)
        except SojournError as error:
            logger.exception("refused")
            problem = problem_of(error)
            if problem is None:
                self._send(500, "Internal Server Error")
            else:
                self._send(problem.status, problem.body().decode(), *problem.headers())
            return
        headers = [("set-cookie", self.cookie.clear())] if reply.clear else []
        if reply.token is not None:
            headers = [("set-cookie", self.cookie.set(reply.token.reveal(), reply.max_age))]
        self._send(200, json.dumps(results), *headers)

    def _send(self, status: int, body: str, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body.encode())


class Server(ThreadingHTTPServer):
    """Any number of visitors at once."""

    daemon_threads = True
    request_queue_size = 128


def serve() -> None:
    """Serve the handler on the port in the environment."""
    logging.basicConfig(level=logging.DEBUG)
    Handler.manager = RemoteSessionManager(*SERVICE)
    Server(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()


if __name__ == "__main__":
    serve()
