"""What joins a Flask application and a manager, and what a view asks of its own request."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, cast

import flask
from flask import Flask, Response
from flask.sessions import SecureCookieSessionInterface

from sojourn.core.cookie import CookieOptions
from sojourn.core.errors import ConfigurationError, SojournError
from sojourn.core.problem import problem_to_send
from sojourn.exchange import Wiring
from sojourn.manager import SessionManager

from .interface import SojournInterface, answer_with
from .session import LOGIN_KEY, FlaskSession
from .settings import cookie_from, settings_from

if TYPE_CHECKING:
    from sojourn.adopt import Adoption

__all__ = ["commit", "init_app", "manager_of", "session"]

session = cast("FlaskSession", flask.session)
"""`flask.session`, typed as what it is in an application with Sojourn."""


def init_app(  # noqa: PLR0913  # options, each by its name
    app: Flask,
    manager: SessionManager,
    *,
    user_key: str | None = LOGIN_KEY,
    cookie: CookieOptions | None = None,
    trusted_origins: Collection[str] = (),
    cross_site_paths: Collection[str] = (),
    script_readable_tokens: bool = False,
    clear_cache_at_logout: bool = True,
    cleanup_interval: float | None = 600.0,
    adopt: Adoption | None = None,
    public_origin: str | None = None,
    endpoints_path: str = "/session",
) -> None:
    """Make `flask.session` a Sojourn session in this application.

    An unsafe request from another origin is refused (403), unless the origin is in `trusted_origins`, its whole path in
    `cross_site_paths`, or Flask-WTF's CSRFProtect looks after the application. A store that does not answer is a 503,
    never an anonymous session. Sojourn's errors are answered as problem+json, unless the application has an error
    handler for them. An answer with a status of 500 or more keeps no change.

    `user_key`: the key under which the application keeps who is logged in; to set it is to log in. The default is
    Flask-Login's; None for an application that calls `session.login` only. `cookie`: by default what Flask's
    SESSION_COOKIE_* settings say, Secure and HttpOnly in any case. `cleanup_interval`: seconds; this and the others as
    in sojourn.wsgi.SessionMiddleware.

    Raises ConfigurationError for a manager for an event loop, an origin that is none, a setting that would be in vain,
    and a second session layer; the first request does, for one of Flask's settings that was made after this call.
    """
    if "sojourn" in app.extensions:
        raise ConfigurationError("sojourn.flask.init_app was called twice for this application. Call it once.")
    other = type(app.session_interface)
    if other is not SecureCookieSessionInterface:
        raise ConfigurationError(
            f"This application has another session layer, {other.__module__}.{other.__qualname__}. Remove it: an "
            "application has one."
        )
    cookie = cookie_from(app.config, cookie)
    wiring = Wiring(
        manager,
        cookie=cookie,
        trusted_origins=trusted_origins,
        cross_site_paths=cross_site_paths,
        script_readable_tokens=script_readable_tokens,
        clear_cache_at_logout=clear_cache_at_logout,
        cleanup_interval=cleanup_interval,
        adopt=adopt,
        public_origin=public_origin,
        endpoints_path=endpoints_path,
    )
    if adopt is not None and adopt.user_key not in (None, user_key):
        raise ConfigurationError(
            f"The adopted sessions say who is logged in under {adopt.user_key!r}. Give user_key={adopt.user_key!r} to "
            "init_app too: else to set it would be no log-in, and the token stay the same."
        )
    wiring.transport.warn_of_name()
    interface = app.session_interface = SojournInterface(wiring, user_key, settings_from(cookie))
    app.extensions["sojourn"] = interface
    # What other extensions read there is what is so.
    app.config.update(interface.settings)
    # First of all, whatever was registered before: nothing of the application runs for a request that is refused.
    app.before_request_funcs.setdefault(None, []).insert(0, interface.before_request)
    if SojournError not in app.error_handler_spec[None][None]:
        app.register_error_handler(SojournError, _answer_error)


def manager_of(app: Flask) -> SessionManager:
    """The manager that the application was given, to list and revoke: `manager_of(current_app)`.

    Raises ConfigurationError where `init_app` was not called.
    """
    return _interface(app).wiring.manager


def commit() -> None:
    """Write what was changed so far, before the response: to learn a new `id`, or to handle what it raises.

    What it raises is SessionManager.commit's, and ConfigurationError where the request has no session of Sojourn.
    Without a call, the commit comes when the view has answered.
    """
    _interface(flask.current_app).exchange().commit()


def _interface(app: Flask) -> SojournInterface:
    interface = app.extensions.get("sojourn")
    if not isinstance(interface, SojournInterface):
        raise ConfigurationError("This application has no sessions of Sojourn: call init_app(app, manager) first.")
    return interface


def _answer_error(error: SojournError) -> Response:
    return answer_with(problem_to_send(error))
