"""What a handler asks of its own request: the session, and a commit before its answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from sojourn.core.errors import ConfigurationError
from sojourn.core.session import Session

from .exchange import AsyncExchange

__all__ = ["Connection", "commit", "exchange_of", "session_of"]


class Connection(Protocol):
    """A request or WebSocket of Starlette, or of another framework that keeps ASGI's scope in `scope`."""

    @property
    def scope(self) -> Mapping[str, Any]:
        """ASGI's scope."""


def session_of(connection: Connection) -> Session:
    """The session of this request or WebSocket. Raises ConfigurationError outside of SessionMiddleware."""
    return exchange_of(connection).session


async def commit(connection: Connection) -> None:
    """Write what was changed so far, before the response: to learn a new `id`, or to handle what it raises.

    What it raises is AsyncSessionManager.commit's, and ConfigurationError outside of SessionMiddleware. Without a call,
    the commit comes with the response's first byte.
    """
    await exchange_of(connection).commit()


def exchange_of(connection: Connection) -> AsyncExchange:
    """The exchange of this request. Raises ConfigurationError outside of SessionMiddleware."""
    exchange = connection.scope.get("sojourn")
    if not isinstance(exchange, AsyncExchange):
        raise ConfigurationError(
            "There is no session: put SessionMiddleware(manager=…) around the application, outside of what asks for it."
        )
    return exchange
