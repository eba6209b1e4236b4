"""The process's sessions: one manager, made when first asked for, anew after a fork, closed at the end."""

from __future__ import annotations

import atexit
import os
import sys
import threading
from copy import copy
from dataclasses import replace
from typing import Any, NamedTuple

from django.conf import settings
from django.core.signals import setting_changed
from django.utils.module_loading import import_string

from sojourn.adopt import Adoption
from sojourn.browser import BrowserOptions
from sojourn.core.cookie import CookieOptions
from sojourn.core.errors import ConfigurationError
from sojourn.core.store import Store
from sojourn.exchange import Wiring
from sojourn.manager import SessionManager
from sojourn.stores.store_url import open_store

from .settings import SojournSettings
from .stack import OURS, has_middleware

__all__ = ["browser_options", "close", "forget", "idle_timeout", "in_tests", "manager", "wiring"]


class _Opened(NamedTuple):
    settings: SojournSettings
    wiring: Wiring
    in_tests: bool


_lock = threading.Lock()
_opened: _Opened | None = None
_options: BrowserOptions | None = None
# Tests may set MIDDLEWARE anew between two requests, and a browser of theirs stays logged in.
_store_of_tests: Store | None = None
# A parent process's managers: to let go of one here would close connections that the parent uses.
_inherited: list[_Opened] = []


def manager() -> SessionManager:
    """This process's manager: to list and to end sessions.

    Raises ConfigurationError for a wrong SOJOURN, StoreUnavailable where its store is opened now and does not answer.
    """
    return wiring().manager


def wiring() -> Wiring:
    """The manager with what all requests share."""
    opened = _opened
    # Each request asks twice.
    return opened.wiring if opened is not None and opened.in_tests == in_tests() else _process().wiring


def in_tests() -> bool:
    """Whether Django's test runner is at work, or pytest's: the store is one in memory then, whatever SOJOURN says."""
    # Looked for, not imported: a server has no use for it.
    runner = sys.modules.get("django.test.utils")
    return runner is not None and hasattr(runner._TestState, "saved_data")


def _process() -> _Opened:
    opened = _opened
    if opened is not None and opened.in_tests == in_tests():
        return opened
    if opened is not None:
        close()
    return _open()


def idle_timeout() -> int:
    """The seconds that a session lasts without activity, where nothing else was set for it."""
    opened = _process()
    if opened.settings.policy is not None:
        return int(opened.settings.policy.idle_timeout)
    # A remote manager's policy says nothing: the service has it.
    return int(min(opened.wiring.manager.policy.idle_timeout, settings.SESSION_COOKIE_AGE))


def browser_options() -> BrowserOptions:
    """What a browser may read and write through the endpoints. Raises ConfigurationError where ua-parser is missing."""
    global _options  # noqa: PLW0603  # as _opened
    if _options is None:
        found = SojournSettings.read()
        _options = BrowserOptions(found.readable, found.writable, found.reauthenticate_within)
    return _options


def _open() -> _Opened:
    global _opened  # noqa: PLW0603  # this module is the process's
    with _lock:
        if _opened is None:
            found, tested = SojournSettings.read(), in_tests()
            if tested:
                found = replace(found, store="memory:")
            wiring = Wiring(
                _manager(found, tested),
                cookie=_cookie(settings.SESSION_COOKIE_NAME, found.public_origin is not None),
                trusted_origins=found.trusted_origins,
                cross_site_paths=found.cross_site_paths,
                script_readable_tokens=found.script_readable_tokens,
                clear_cache_at_logout=found.clear_cache_at_logout,
                cleanup_interval=found.cleanup_interval,
                adopt=_adoption(found),
                public_origin=found.public_origin,
                endpoints_path=found.endpoints_path,
            )
            _opened = _Opened(found, wiring, tested)
        return _opened


def _cookie(name: str, binds: bool) -> CookieOptions:
    # To find it by: Django writes it, as its own settings say.
    secure = settings.SESSION_COOKIE_SECURE or name.lower().startswith(("__host-", "__secure-"))
    if not binds:
        return CookieOptions(name=name, insecure_http=not secure)
    # Whether a browser binds it depends on all of it.
    domain = (settings.SESSION_COOKIE_DOMAIN or "").removeprefix(".") or None
    return CookieOptions(name=name, insecure_http=not secure, domain=domain, path=settings.SESSION_COOKIE_PATH)


def _manager(found: SojournSettings, tested: bool) -> SessionManager:
    made = _made(found, tested)
    if isinstance(made, SessionManager) and not has_middleware(OURS):
        # Django's own middleware writes the cookie with all that is saved, even with the token that the request came
        # with. Such an answer may overtake one with the next secret, and leave the browser with one that is retired.
        made = copy(made)
        made.policy = replace(made.policy, rotate_interval=None)
    return made


def _made(found: SojournSettings, tested: bool) -> SessionManager:
    if found.url is not None:
        store = _store_of_tests if tested and _store_of_tests is not None else open_store(found.url)
        return SessionManager(store, found.policy_or_django_s())
    named: Any = import_string(found.store)
    made: SessionManager = named if isinstance(named, SessionManager) or not callable(named) else named()
    return made


def _adoption(found: SojournSettings) -> Adoption | None:
    # Django's own could give a browser its old cookie back, in an answer that overtakes the one with ours.
    if found.adopt is not None and not has_middleware(OURS):
        raise ConfigurationError(
            "SOJOURN['adopt'] needs 'sojourn.django.SessionMiddleware' in MIDDLEWARE, in the place of Django's own."
        )
    return found.adopt


def close() -> None:
    """Close the manager; a later use opens another."""
    global _opened, _options, _store_of_tests
    with _lock:
        opened, _opened, _options, _store_of_tests = _opened, None, None, None
    if opened is not None:
        opened.wiring.manager.close()


def _read_settings_anew() -> None:
    """As close, but for the sessions of a test, which have no other place than the process's memory."""
    global _opened, _options, _store_of_tests
    opened = _opened
    if opened is None:
        return
    if not opened.in_tests:
        close()
        return
    with _lock:
        _opened, _options, _store_of_tests = None, None, opened.wiring.manager._store


def forget() -> None:
    """Leave the manager to the process that this one was forked from."""
    global _lock, _opened, _options, _store_of_tests
    if _opened is not None:
        _inherited.append(_opened)
    _lock, _opened, _options, _store_of_tests = threading.Lock(), None, None, None


def _settings_changed(*, setting: str, **_: Any) -> None:
    # In a test: another store, another policy.
    if setting == "SOJOURN":
        close()
    elif setting in ("MIDDLEWARE", "SESSION_COOKIE_NAME", "SESSION_COOKIE_AGE"):
        _read_settings_anew()


setting_changed.connect(_settings_changed, dispatch_uid="sojourn")
atexit.register(close)
# Windows does not fork.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=forget)
