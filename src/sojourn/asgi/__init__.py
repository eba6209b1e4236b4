"""Sessions for ASGI: Starlette, FastAPI, Litestar, Quart and whatever else speaks it."""

from .connection import commit, session_of
from .endpoints import BrowserEndpoints, mount
from .middleware import SessionMiddleware
from .quart import QuartSessions

__all__ = ["BrowserEndpoints", "QuartSessions", "SessionMiddleware", "commit", "mount", "session_of"]
