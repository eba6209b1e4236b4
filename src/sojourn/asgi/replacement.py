"""A replacement: what an application, or another session layer, put where the session was."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sojourn.core.errors import ConfigurationError
from sojourn.core.session import Session

from .types import Scope

__all__ = ["require_alone", "take_over"]


def take_over(session: Session, scope: Scope) -> None:
    """Do to `session` what the application meant, and put it back. ConfigurationError for two session layers.

    Litestar's `request.set_session` and `clear_session` leave a dictionary, or Litestar's Empty: other contents for
    the session, or its end.
    """
    found = scope.get("session")
    # One with a cookie of its own, which SessionMiddleware around a mounted application made.
    if isinstance(found, Session):
        return
    if "litestar_app" not in scope or _has_layer_of_litestar(scope):
        raise ConfigurationError(
            f"scope['session'] is not Sojourn's any more but a {type(found).__qualname__}: a session layer inside of "
            "SessionMiddleware put it there. Take that one out, or change the session in place."
        )
    if isinstance(found, Mapping):
        session.clear()
        session.update(found)
    elif getattr(found, "name", None) == "EMPTY":
        session.logout()
    else:
        raise ConfigurationError(f"request.set_session() takes a dict here, and got a {type(found).__qualname__}.")
    scope["session"] = session


def require_alone(scope: Scope, outer_cookie: str | None, cookie: str) -> None:
    """Refuse to work inside another session layer: `outer_cookie` is the cookie of one of our own, if it is that."""
    if outer_cookie == cookie:
        raise ConfigurationError("SessionMiddleware is there twice, one inside the other. Add it once.")
    if outer_cookie is None:
        raise ConfigurationError(
            f"scope['session'] is a {type(scope['session']).__qualname__} already: another session layer is around "
            "SessionMiddleware. Take that one out."
        )


def _has_layer_of_litestar(scope: Scope) -> bool:
    # Any: Litestar's own, which nothing here imports.
    handler: Any = scope.get("route_handler")
    kinds = [getattr(each, "middleware", each) for each in handler.resolve_middleware()] if handler else []
    return any(getattr(kind, "__module__", "").startswith("litestar.middleware.session") for kind in kinds)
