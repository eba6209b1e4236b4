"""QuartSessions: makes Quart's own `session`, and what uses it, such as flash(), Sojourn's."""

from __future__ import annotations

from typing import Any

from sojourn.core.session import Session

from .connection import Connection, session_of

__all__ = ["QuartSessions"]

FLASHES = "_flashes"


class QuartSessions:
    """Quart's session interface: `app.session_interface = QuartSessions()`, and SessionMiddleware around the app.

    Without it `quart.session` is Quart's signed cookie, a second session beside this one.
    """

    async def open_session(self, app: object, request: Connection) -> Session:
        """The middleware's session. Raises ConfigurationError where there is none."""
        return session_of(request)

    async def save_session(self, app: object, session: Session, response: object) -> None:
        """Make JSON of what flash() keeps; the middleware commits, before the response's first byte."""
        if session._values and FLASHES in session:
            session[FLASHES] = [[category, str(message)] for category, message in session[FLASHES]]

    async def make_null_session(self, app: object) -> Any:
        """Never asked for: there is always a session. Raises NotImplementedError."""
        raise NotImplementedError

    def is_null_session(self, session: object) -> bool:
        """Never true: there is always a session."""
        return False
