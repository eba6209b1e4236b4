"""Sessions for ASGI: Starlette, FastAPI, Litestar, Quart and whatever else speaks it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sojourn.exports import late_exports

from .connection import commit, session_of
from .middleware import SessionMiddleware

if TYPE_CHECKING:
    from .ending import Ending, until_ended
    from .endpoints import BrowserEndpoints, mount
    from .logged_in import logged_in, logged_in_guard
    from .quart import QuartSessions

__all__ = [
    "BrowserEndpoints",
    "Ending",
    "QuartSessions",
    "SessionMiddleware",
    "commit",
    "logged_in",
    "logged_in_guard",
    "mount",
    "session_of",
    "until_ended",
]

# The endpoints bring the browser client's build along.
__getattr__ = late_exports(
    __name__,
    {
        "BrowserEndpoints": "endpoints",
        "Ending": "ending",
        "QuartSessions": "quart",
        "logged_in": "logged_in",
        "logged_in_guard": "logged_in",
        "mount": "endpoints",
        "until_ended": "ending",
    },
)
