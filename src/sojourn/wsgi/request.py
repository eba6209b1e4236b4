"""What an application asks of its own request: the session, and a commit before its answer."""

from __future__ import annotations

from sojourn.core.errors import ConfigurationError
from sojourn.core.session import Session
from sojourn.exchange import EXCHANGE_KEY, Environ, Exchange

__all__ = ["commit", "exchange_of", "session_of"]


def session_of(environ: Environ) -> Session:
    """The session of this request. Raises ConfigurationError outside of SessionMiddleware."""
    return exchange_of(environ).session


def commit(environ: Environ) -> None:
    """Write what was changed so far, before the response: to learn a new `id`, or to handle what it raises.

    What it raises is SessionManager.commit's, and ConfigurationError outside of SessionMiddleware. Without a call, the
    commit comes before the response's first byte.
    """
    exchange_of(environ).commit()


def exchange_of(environ: Environ) -> Exchange:
    """The request's exchange. Raises ConfigurationError outside SessionMiddleware."""
    exchange = environ.get(EXCHANGE_KEY)
    if not isinstance(exchange, Exchange):
        raise ConfigurationError("There is no session: put SessionMiddleware(app, manager) around the application.")
    return exchange
