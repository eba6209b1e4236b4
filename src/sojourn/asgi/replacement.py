"""A replacement: what an application, or another session layer, put where the session was."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sojourn.core.cookie import CookieOptions
from sojourn.core.errors import ConfigurationError
from sojourn.core.session import Session

from .types import App, Scope

__all__ = ["require_alone", "require_own_cookies", "take_over"]


def take_over(session: Session, scope: Scope) -> None:
    """Do to `session` what the application meant, and put it back. ConfigurationError for two session layers.

    Litestar's `request.set_session` and `clear_session` leave a dictionary, or Litestar's Empty: other contents for
    the session, or its end.
    """
    found = scope.get("session")
    # One with a cookie of its own, which SessionMiddleware around a mounted application made.
    if isinstance(found, Session):
        return
    if _is_mounted(scope):
        # An application under a path, with a session layer and a cookie of its own: sqladmin, NiceGUI.
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


def require_alone(scope: Scope, cookie: str) -> None:
    """Refuse, as ConfigurationError, to work inside another session layer, but one of our own with another cookie."""
    outer_cookie = getattr(scope.get("sojourn"), "cookie", None)
    if outer_cookie == cookie:
        raise ConfigurationError("SessionMiddleware is there twice, one inside the other. Add it once.")
    if outer_cookie is None:
        raise ConfigurationError(
            f"scope['session'] is a {type(scope['session']).__qualname__} already: another session layer is around "
            "SessionMiddleware. Take that one out."
        )


def _is_mounted(scope: Scope) -> bool:
    """Whether Starlette's Mount handed the request to an application of its own."""
    return "app_root_path" in scope and scope.get("root_path") != scope["app_root_path"]


def require_own_cookies(app: App, cookie: str) -> None:
    """Refuse, as ConfigurationError, another session layer in `app`, or mounted in it, whose cookie is `cookie`."""
    todo: list[Any] = [app]
    seen: set[int] = set()
    while todo:
        each = todo.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        layers = [(type(each), getattr(each, "__dict__", {}))]
        layers += [(added.cls, added.kwargs) for added in getattr(each, "user_middleware", ()) if hasattr(added, "cls")]
        for kind, options in layers:
            if _cookie_of(kind, options) == cookie:
                raise ConfigurationError(
                    f"Two session layers have the cookie {cookie!r}: SessionMiddleware, and inside of it "
                    f"{kind.__module__}.{kind.__qualname__}. Give one of them another, or take it out."
                )
        todo += [getattr(each, "app", None), getattr(each, "router", None), *getattr(each, "routes", ())]


def _cookie_of(kind: type, options: Mapping[str, Any]) -> str | None:
    """The cookie of a session layer of Starlette's, starsessions' or our own kind."""
    if kind.__name__ != "SessionMiddleware":
        return None
    if kind.__module__.startswith("sojourn."):
        transport = options.get("_transport")
        own = transport.cookie if transport else options.get("cookie") or CookieOptions()
        return str(own.name)
    return str(options.get("session_cookie") or options.get("cookie_name") or "session")


def _has_layer_of_litestar(scope: Scope) -> bool:
    # Any: Litestar's own, which nothing here imports.
    handler: Any = scope.get("route_handler")
    kinds = [getattr(each, "middleware", each) for each in handler.resolve_middleware()] if handler else []
    return any(getattr(kind, "__module__", "").startswith("litestar.middleware.session") for kind in kinds)
