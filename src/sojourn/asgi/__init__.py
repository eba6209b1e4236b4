"""Sessions for ASGI: Starlette, FastAPI, Litestar, Quart and whatever else speaks it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sojourn.exports import late_exports

from .connection import commit, session_of
from .middleware import SessionMiddleware

if TYPE_CHECKING:
    from .endpoints import BrowserEndpoints, mount
    from .quart import QuartSessions

__all__ = ["BrowserEndpoints", "QuartSessions", "SessionMiddleware", "commit", "mount", "session_of"]

# The endpoints bring the browser client's build along.
__getattr__ = late_exports(__name__, {"BrowserEndpoints": "endpoints", "QuartSessions": "quart", "mount": "endpoints"})
