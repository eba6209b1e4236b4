"""Sessions for any WSGI application, with threads and processes."""

from .endpoints import BrowserEndpoints, mount
from .middleware import SessionMiddleware
from .request import commit, session_of

__all__ = ["BrowserEndpoints", "SessionMiddleware", "commit", "mount", "session_of"]
