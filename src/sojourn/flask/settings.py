"""Flask's own settings for sessions: taken over, or told to be in vain. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from datetime import timedelta
from typing import Any

from sojourn.core.cookie import CookieOptions
from sojourn.core.errors import ConfigurationError

__all__ = ["cookie_from", "refuse_late_settings", "settings_from"]

FLASK_NAME = "session"
FLASK_LIFETIME = timedelta(days=31)


def cookie_from(config: Mapping[str, Any], cookie: CookieOptions | None) -> CookieOptions:
    """The cookie that Flask's SESSION_COOKIE_* settings describe, or the one that was given.

    Raises ConfigurationError for a setting that would be in vain.
    """
    if config.get("PERMANENT_SESSION_LIFETIME", FLASK_LIFETIME) not in (FLASK_LIFETIME, FLASK_LIFETIME.total_seconds()):
        raise ConfigurationError(
            "PERMANENT_SESSION_LIFETIME is in vain: the manager's Policy says how long sessions last. Remove it, and "
            "give Policy(remember=Lifetime(idle_timeout=…, absolute_timeout=…))."
        )
    if config.get("SESSION_COOKIE_HTTPONLY", True) is not True:
        raise ConfigurationError("SESSION_COOKIE_HTTPONLY is in vain: no script may read this cookie. Remove it.")
    said = _said(config)
    if cookie is None:
        if "domain" in said or "path" in said:
            # __Host- allows neither.
            said.setdefault("name", "__Secure-session")
        return CookieOptions(**said)
    for field in fields(cookie):
        if field.name in said and said[field.name] != getattr(cookie, field.name):
            raise ConfigurationError(
                f"SESSION_COOKIE_{field.name.replace('_', '').upper()} is in vain: init_app(cookie=…) says otherwise. "
                "Remove one of them."
            )
    return cookie


def settings_from(cookie: CookieOptions) -> dict[str, Any]:
    """Flask's settings as they are in force, for other extensions to read."""
    return {
        "SESSION_COOKIE_NAME": cookie.name,
        "SESSION_COOKIE_DOMAIN": cookie.domain,
        "SESSION_COOKIE_PATH": cookie.path,
        "SESSION_COOKIE_SECURE": not cookie.insecure_http,
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": cookie.same_site.capitalize(),
        "SESSION_COOKIE_PARTITIONED": cookie.partitioned,
    }


def refuse_late_settings(config: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
    """Raise ConfigurationError for what was set after init_app had read `settings`."""
    late = [name for name, value in settings.items() if config.get(name) != value]
    if config.get("PERMANENT_SESSION_LIFETIME", FLASK_LIFETIME) not in (FLASK_LIFETIME, FLASK_LIFETIME.total_seconds()):
        late.append("PERMANENT_SESSION_LIFETIME")
    if late:
        raise ConfigurationError(
            f"{', '.join(late)} was set after sojourn.flask.init_app, which is too late. Set it before."
        )


def _said(config: Mapping[str, Any]) -> dict[str, Any]:
    """What the settings say that is not Flask's default."""
    name, path = config.get("SESSION_COOKIE_NAME", FLASK_NAME), config.get("SESSION_COOKIE_PATH")
    # As Flask: two applications under two prefixes of a host each have their own.
    path = path or config.get("APPLICATION_ROOT")
    domain, same_site = config.get("SESSION_COOKIE_DOMAIN"), config.get("SESSION_COOKIE_SAMESITE")
    said: dict[str, Any] = {}
    if name != FLASK_NAME:
        said["name"] = name
    if domain:
        said["domain"] = domain.removeprefix(".")
    if path and path != "/":
        said["path"] = path
    if same_site:
        said["same_site"] = same_site.lower()
    if config.get("SESSION_COOKIE_PARTITIONED"):
        said["partitioned"] = True
    return said
