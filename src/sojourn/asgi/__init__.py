"""Sessions for ASGI: Starlette, FastAPI, Litestar and whatever else speaks it."""

from .endpoints import BrowserEndpoints
from .middleware import SessionMiddleware

__all__ = ["BrowserEndpoints", "SessionMiddleware"]
