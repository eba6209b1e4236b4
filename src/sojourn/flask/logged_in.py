"""Views for who is logged in, and has proved it lately."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from flask import current_app

from sojourn.core.login import Level

__all__ = ["logged_in"]

P = ParamSpec("P")
T = TypeVar("T")


def logged_in(*, within: float | None = None, level: Level | None = None) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """A decorator: the view runs where somebody is logged in, as Session.require_login asks for.

    `within` is in seconds. Else LoginRequired or ReauthenticationRequired is raised, each a 401 (ASVS 7.5.1). It stands
    below `@app.route`, and takes coroutines too.
    """

    def decorate(view: Callable[P, T]) -> Callable[P, T]:
        @wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> T:
            from .application import session

            session.require_login(within=within, level=level)
            answer: T = current_app.ensure_sync(view)(*args, **kwargs)
            return answer

        return guarded

    return decorate
