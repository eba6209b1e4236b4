"""The application of express/counter.mjs in Python, over a session service: `uvicorn benchmarks.counter:app`."""

from __future__ import annotations

import os

from sojourn import Session
from sojourn.asgi import SessionMiddleware
from sojourn.asgi.types import Receive, Scope, Send
from sojourn.remote import AsyncRemoteSessionManager

__all__ = ["app"]


async def _answer(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] != "http":
        return
    session: Session = scope["session"]
    if scope["path"] == "/change":
        session["n"] = session.get("n", 0) + 1
        body = b"changed"
    else:
        body = b"%d" % session.get("n", 0)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


app = SessionMiddleware(
    _answer, AsyncRemoteSessionManager(os.environ["SOJOURN_SERVICE"], os.environ["SOJOURN_KEY"]), cleanup_interval=None
)
