"""WSGI applications for who is logged in, and has proved it lately."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, Concatenate, ParamSpec

from sojourn.core.login import Level

from .request import session_of

__all__ = ["logged_in"]

P = ParamSpec("P")
# Any: WSGI's environ.
Handler = Callable[Concatenate[Any, P], Iterable[bytes]]


def logged_in(*, within: float | None = None, level: Level | None = None) -> Callable[[Handler[P]], Handler[P]]:
    """A decorator: the application, or handler that takes the environ first, runs where somebody is logged in.

    As Session.require_login asks for; `within` is in seconds. Else LoginRequired or ReauthenticationRequired is raised,
    each a 401 (ASVS 7.5.1). In Bottle or Falcon ask `session_of(request.environ).require_login(…)` in a hook.
    """

    def decorate(handler: Handler[P]) -> Handler[P]:
        @wraps(handler)
        def guarded(environ: Any, /, *args: P.args, **kwargs: P.kwargs) -> Iterable[bytes]:
            session_of(environ).require_login(within=within, level=level)
            return handler(environ, *args, **kwargs)

        return guarded

    return decorate
