"""Sessions as FastAPI dependencies, inside sojourn.asgi.SessionMiddleware."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated

try:
    from fastapi import Depends
    from fastapi.requests import HTTPConnection
except ImportError as error:
    from .core.extras import install

    raise ImportError(f"sojourn.fastapi needs FastAPI: {install('fastapi')}") from error

from .core.errors import ConfigurationError
from .core.login import Level
from .core.session import Session

__all__ = ["CurrentSession", "LoggedIn", "UserId", "current_session", "current_user_id", "logged_in"]


# async, though nothing waits: FastAPI sends a plain function to a thread, for many times its cost.
async def current_session(connection: HTTPConnection) -> Session:
    """The request's session, or the WebSocket's. Raises ConfigurationError outside of SessionMiddleware."""
    session = connection.scope.get("session")
    if not isinstance(session, Session):
        raise ConfigurationError("There is no session: app.add_middleware(SessionMiddleware, manager=…) first.")
    return session


def logged_in(*, within: float | None = None, level: Level | None = None) -> Callable[[Session], Awaitable[Session]]:
    """A dependency that gives the session where somebody is logged in, as Session.require_login asks for.

    `within` is in seconds. Else it raises LoginRequired or ReauthenticationRequired, each a 401 (ASVS 7.5.1).
    """

    async def dependency(session: CurrentSession) -> Session:
        session.require_login(within=within, level=level)
        return session

    return dependency


CurrentSession = Annotated[Session, Depends(current_session)]
"""The request's session, whoever is or is not logged in: as current_session."""

LoggedIn = Annotated[Session, Depends(logged_in())]
"""The session of who is logged in, whenever that was; else LoginRequired is raised, a 401."""


async def current_user_id(session: LoggedIn) -> str:
    """Who is logged in; else it raises LoginRequired, a 401."""
    assert session.user_id is not None
    return session.user_id


UserId = Annotated[str, Depends(current_user_id)]
"""Who is logged in: as current_user_id."""
