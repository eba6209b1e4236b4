"""Sessions for ASGI: Starlette, FastAPI, Litestar and whatever else speaks it."""

from .connection import commit, session_of
from .endpoints import BrowserEndpoints
from .middleware import SessionMiddleware

__all__ = ["BrowserEndpoints", "SessionMiddleware", "commit", "session_of"]
