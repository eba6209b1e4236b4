"""Our sessions where a test adds Starlette's: a plugin of pytest, which puts ours in the place of its middleware."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.middleware import sessions

from sojourn import AsyncSessionManager, CookieOptions, Session
from sojourn.asgi import SessionMiddleware
from sojourn.asgi.types import App
from sojourn.stores.memory import AsyncMemoryStore


class OverOurs(SessionMiddleware):
    """SessionMiddleware, with the arguments of Starlette's that have a counterpart."""

    def __init__(self, app: App, **given: Any) -> None:
        cookie = CookieOptions(
            name=given.get("session_cookie", "session"),
            path=given.get("path", "/"),
            domain=given.get("domain"),
            same_site=given.get("same_site", "lax"),
            insecure_http=not given.get("https_only", False),
            partitioned=given.get("partitioned", False),
        )
        super().__init__(app, AsyncSessionManager(AsyncMemoryStore()), cookie=cookie)


def real_session(data: Mapping[str, Any]) -> Session:
    """A session of nobody's, for a request that is made by hand."""
    session = AsyncSessionManager(AsyncMemoryStore()).anonymous()
    session.update(data)
    return session


sessions.SessionMiddleware = OverOurs  # type: ignore[misc, assignment]  # in its place
