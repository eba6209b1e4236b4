"""Checks: what is wrong with a set-up, each in a sentence with its mend; for `manage.py check` and at start."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, Tags, Warning

from sojourn.core.errors import ConfigurationError, StoreUnavailable
from sojourn.core.extras import install
from sojourn.stores.server_facts import store_weaknesses
from sojourn.stores.store_url import StoreURL

from . import process
from .settings import SojournSettings
from .stack import DJANGOS, OURS, has_middleware, is_kind, named
from .tables import is_behind

__all__ = ["check_deployment", "check_setup", "check_store", "register"]

ENGINE = "sojourn.django"
ADVISED = "sojourn.django.SessionMiddleware"
# By name: a project without accounts cannot import them.
NEED_SESSIONS = (
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
)
DRIVERS = {"postgres": "psycopg", "redis": "redis"}


def register() -> None:
    """Have Django run the checks."""
    checks.register(check_setup, "sojourn")
    checks.register(check_store, Tags.database)
    checks.register(check_deployment, Tags.security, deploy=True)


def check_setup(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """What can be seen in the settings alone."""
    if settings.SESSION_ENGINE != ENGINE:
        hint = "Set SESSION_ENGINE = 'sojourn.django', or take it out of INSTALLED_APPS."
        told = f"sojourn.django is installed, but sessions are kept by {settings.SESSION_ENGINE}."
        return [Warning(told, hint, id="sojourn.W001")]
    try:
        found = SojournSettings.read()
    except (ConfigurationError, ImportError) as error:
        return [Error(str(error), id="sojourn.E001")]
    return [*_extras(found), *_middleware(), *_serializer(), *_cookie(), *_path(found), *_keepers()]


def check_store(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """Whether the store is ready for this version: a database that waits for its migration is not."""
    if settings.SESSION_ENGINE != ENGINE:
        return []
    try:
        process.wiring()
    except ConfigurationError as error:
        if is_behind(error):
            # No error, which would keep `migrate` itself from running.
            return [Warning(f"{error}", "Run manage.py migrate: it makes these tables too.", id="sojourn.W006")]
        return [Error(str(error), id="sojourn.E007")]
    except StoreUnavailable as error:
        return [Warning(str(error), "Start it, or put SOJOURN['store'] right.", id="sojourn.W003")]
    return []


def check_deployment(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """What is weaker than it could be, for `check --deploy`."""
    if settings.SESSION_ENGINE != ENGINE:
        return []
    found: list[CheckMessage] = []
    if not has_middleware(OURS):
        told = "With Django's own SessionMiddleware the sessions' secrets are not renewed, so theft goes unnoticed."
        found.append(Warning(told, f"Put {ADVISED!r} into MIDDLEWARE in its place.", id="sojourn.W004"))
    if getattr(settings, "SOJOURN", {}).get("store") == "memory:":
        told = "Sessions in memory: are lost with the process, and each process has its own."
        found.append(Warning(told, "Give SOJOURN['store'] the URL of a file or a server.", id="sojourn.W005"))
    return [*found, *_weak_cookie(), *_weak_server()]


def _weak_server() -> list[CheckMessage]:
    """What the store's server says itself; where it is away, nothing: an image may be built without it."""
    try:
        url = SojournSettings.read().url
    except (ConfigurationError, ImportError):
        return []  # check_setup tells
    try:
        told = store_weaknesses(url) if url else ()
    except ConfigurationError as error:
        return [] if is_behind(error) else [Error(f"{error}", id="sojourn.E008")]
    except StoreUnavailable:
        return []
    return [Warning(weakness, id="sojourn.W011") for weakness in told]


def _weak_cookie() -> list[CheckMessage]:
    """Django writes the cookie as its own settings say, under either middleware, and these default to less."""
    found: list[CheckMessage] = []
    name = settings.SESSION_COOKIE_NAME
    if not settings.SESSION_COOKIE_SECURE:
        told = f"The cookie {name} is sent by plain http too, where anyone on the network can read the token."
        found.append(Warning(told, "Set SESSION_COOKIE_SECURE = True.", id="sojourn.W008"))
    if not settings.SESSION_COOKIE_HTTPONLY:
        told = f"The cookie {name} can be read by scripts: one that is injected into a page takes the token."
        found.append(Warning(told, "Leave SESSION_COOKIE_HTTPONLY at True.", id="sojourn.W009"))
    if not name.lower().startswith(("__host-", "__secure-")):
        told = f"A cookie named {name} can be set by any host of this site, and by plain http."
        found.append(Warning(told, "Set SESSION_COOKIE_NAME = '__Host-session'.", id="sojourn.W010"))
    return found


def _extras(found: SojournSettings) -> list[CheckMessage]:
    told: list[CheckMessage] = []
    if found.url is not None:
        scheme = StoreURL.parse(found.url).scheme
        extra = {"postgresql": "postgres", "postgres": "postgres", "memory": "", "sqlite": ""}.get(scheme, "redis")
        if extra and find_spec(DRIVERS[extra]) is None:
            told.append(Error(f"SOJOURN['store'] needs the extra `{extra}`.", install(extra), id="sojourn.E002"))
    return told


def _middleware() -> list[CheckMessage]:
    kinds = [(path, named(path)) for path in settings.MIDDLEWARE]
    sessions = [index for index, (_, kind) in enumerate(kinds) if is_kind(kind, DJANGOS)]
    if not sessions:
        return [Error("MIDDLEWARE has no SessionMiddleware.", f"Put {ADVISED!r} into it.", id="sojourn.E003")]
    if len(sessions) > 1:
        both = " and ".join(kinds[index][0] for index in sessions)
        return [Error(f"MIDDLEWARE has two session layers: {both}.", f"Keep {ADVISED!r} alone.", id="sojourn.E004")]
    for index, (path, kind) in enumerate(kinds):
        if index < sessions[0] and is_kind(kind, *NEED_SESSIONS):
            hint = f"Put {kinds[sessions[0]][0]!r} before it in MIDDLEWARE."
            return [Error(f"{path} comes before the sessions that it needs.", hint, id="sojourn.E003")]
    return []


def _serializer() -> Sequence[CheckMessage]:
    if is_kind(named(settings.SESSION_SERIALIZER), "django.core.signing.JSONSerializer"):
        return []
    told = f"Sojourn keeps JSON, and SESSION_SERIALIZER is {settings.SESSION_SERIALIZER}; pickle is never loaded."
    return [Error(told, "Take SESSION_SERIALIZER out of the settings.", id="sojourn.E005")]


def _cookie() -> list[CheckMessage]:
    name = settings.SESSION_COOKIE_NAME
    prefix = name.lower()
    if prefix.startswith(("__host-", "__secure-")) and not settings.SESSION_COOKIE_SECURE:
        hint = "Set SESSION_COOKIE_SECURE = True; for development on plain http, another SESSION_COOKIE_NAME."
        return [Error(f"Browsers refuse a cookie named {name} that is not Secure.", hint, id="sojourn.E006")]
    if prefix.startswith("__host-") and (settings.SESSION_COOKIE_DOMAIN or settings.SESSION_COOKIE_PATH != "/"):
        hint = "Leave SESSION_COOKIE_DOMAIN and SESSION_COOKIE_PATH away, or begin the name with __Secure-."
        return [Error(f"Browsers refuse a cookie named {name} with a domain or a path.", hint, id="sojourn.E006")]
    return []


def _keepers() -> list[CheckMessage]:
    """Models that would keep what Django's own middleware lets them see: tokens, which open sessions."""
    if has_middleware(OURS) or not apps.models_ready:
        return []
    kept = [
        f"{model._meta.label}.{field.name}"
        for model in apps.get_models()
        for field in model._meta.get_fields()
        if field.name == "session_key" and model._meta.label != "sessions.Session"
    ]
    told = "would keep live secrets, of 101 characters: with Django's SessionMiddleware session_key is the token."
    hint = f"Put {ADVISED!r} into MIDDLEWARE in its place: session_key is the public id then, of 32 characters."
    return [Warning(f"{field} {told}", hint, id="sojourn.W007") for field in kept]


def _path(found: SojournSettings) -> list[CheckMessage]:
    path = StoreURL.parse(found.url).path if found.url else None
    if path is None or Path(path).is_absolute():
        return []
    told = f"SOJOURN['store'] is the file {path} in whichever folder the process was started in."
    return [Warning(told, "Write f\"sqlite:///{BASE_DIR / 'sessions.sqlite3'}\".", id="sojourn.W002")]
