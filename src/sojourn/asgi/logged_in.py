"""Handlers for who has logged in, lately: a decorator for Starlette and Quart, a guard for Litestar."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, TypeVar

from sojourn.core.login import Level

from .connection import Connection, session_of

__all__ = ["logged_in", "logged_in_guard"]

T = TypeVar("T")


def logged_in(
    *, within: float | None = None, level: Level | None = None
) -> Callable[[Callable[..., Awaitable[T]]], Callable[..., Awaitable[T]]]:
    """A decorator: the handler runs where somebody is logged in, as Session.require_login asks for.

    `within` is in seconds. Else LoginRequired or ReauthenticationRequired is raised, each a 401 (ASVS 7.5.1). For
    coroutine functions that take the request, as Starlette's, methods too, and for Quart's, which take none.
    """

    def decorate(handler: Callable[..., Awaitable[T]]) -> Callable[..., Awaitable[T]]:
        # Any: a framework's own arguments, which are only handed on.
        @wraps(handler)
        async def guarded(*args: Any, **kwargs: Any) -> T:
            session_of(_connection_in(args, kwargs)).require_login(within=within, level=level)
            return await handler(*args, **kwargs)

        return guarded

    return decorate


def logged_in_guard(*, within: float | None = None, level: Level | None = None) -> Callable[[Any, Any], None]:
    """The same as a guard of Litestar's: `guards=[logged_in_guard(within=300)]`; `within` is in seconds."""

    def guard(connection: Connection, _: object) -> None:
        session_of(connection).require_login(within=within, level=level)

    return guard


def _connection_in(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Connection:
    for each in (*args, *kwargs.values()):
        if hasattr(each, "scope"):
            found: Connection = each
            return found
    from .quart import current_request

    return current_request()
