"""Sessions for any WSGI application, with threads and processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sojourn.exports import late_exports

from .middleware import SessionMiddleware
from .request import commit, session_of

if TYPE_CHECKING:
    from .endpoints import BrowserEndpoints, mount

__all__ = ["BrowserEndpoints", "SessionMiddleware", "commit", "mount", "session_of"]

# The endpoints bring the browser client's build along.
__getattr__ = late_exports(__name__, {"BrowserEndpoints": "endpoints", "mount": "endpoints"})
