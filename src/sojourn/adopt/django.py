"""DjangoSessions: sessions of django.contrib.sessions, in the database, a cache in Redis, or signed cookies."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, NoReturn

from sojourn.core.cookie import CookieOptions
from sojourn.core.errors import ConfigurationError, StoreUnavailable

from .json_text import json_object
from .layer import MAX_BYTES, Old
from .pickled import NotPlainError, plain_data
from .signed import unpacked

__all__ = ["DjangoSessions"]

logger = logging.getLogger("sojourn")

BACKENDS = "django.contrib.sessions.backends."
AWAY = "The store of the Django sessions that are adopted did not answer."
ENGINES = ("db", "cached_db", "cache", "signed_cookies")
SIGNED_SALT = f"{BACKENDS}signed_cookies"
_KEY = re.compile(r"[0-9a-z]{8,40}").fullmatch


class DjangoSessions:
    """Sessions of Django itself: `engine` is what SESSION_ENGINE was, `session_cookie` SESSION_COOKIE_NAME.

    Django must be set up, with its old settings, where sessions are read, and with `django.contrib.auth`: it says
    whether the user is active and the password is the one of the log-in. Nothing is imported from it before the first
    old cookie, so that this can stand in its settings. The session is taken with Django's own keys. Raises
    ConfigurationError for another engine, and when it reads, for a cache that is not RedisCache or without
    `django.contrib.auth`.
    """

    kind = "django"

    def __init__(
        self,
        engine: str = f"{BACKENDS}db",
        *,
        session_cookie: str = "sessionid",
        path: str = "/",
        domain: str | None = None,
    ) -> None:
        name = engine.removeprefix(BACKENDS)
        if name not in ENGINES:
            raise ConfigurationError(f"DjangoSessions({engine!r}): give one of {BACKENDS}{{{','.join(ENGINES)}}}.")
        self.cookie = CookieOptions(name=session_cookie, path=path, domain=domain)
        self._engine = name

    def verify(self, value: str, now: int) -> str | None:
        """As Layer.verify: the session key, which is its own proof, or what was signed."""
        if self._engine != "signed_cookies":
            return value if _KEY(value) else None
        from django.conf import settings
        from django.core import signing

        try:
            signing.TimestampSigner(salt=SIGNED_SALT).unsign(value)
            key = value.rpartition(":")[0]
            at = signing.b62_decode(key.rpartition(":")[2]) * 1000
        except (signing.BadSignature, ValueError):
            return None
        # Signed to the second.
        return key if -1000 <= now - at <= settings.SESSION_COOKIE_AGE * 1000 else None

    def read(self, key: str, now: int) -> Old | None:
        """As Layer.read."""
        from django.conf import settings
        from django.db import Error

        read = {"cache": _read_cache, "signed_cookies": _read_signed}.get(self._engine, _read_database)
        try:
            with _connections():
                data, ends_at = read(key, self._engine)
                if data is None or (ends_at is not None and ends_at <= now):
                    return None
                user_id = data.get("_auth_user_id")
                if user_id is not None and not _is_still_good(data):
                    return None
        except Error as error:
            _unavailable(error)
        return Old(data, user_id, None, None if settings.SESSION_SAVE_EVERY_REQUEST else ends_at)

    def retire(self, key: str) -> None:
        """As Layer.retire."""
        if self._engine == "signed_cookies":
            return
        try:
            with _connections():
                _session_store(self._engine)(key).delete()
        # Any cache's own errors too.
        except Exception as error:
            raise StoreUnavailable(AWAY) from error


Read = tuple[dict[Any, Any] | None, int | None]


@contextmanager
def _connections() -> Iterator[None]:
    """Closes the database connections that are opened in it: this thread may not be one that Django looks after."""
    from django.db import connections

    before = {connection.alias for connection in connections.all() if connection.connection is not None}
    try:
        yield
    finally:
        for connection in connections.all():
            if connection.alias not in before:
                connection.close()


def _session_store(engine: str) -> Any:
    from django.utils.module_loading import import_string

    return import_string(f"{BACKENDS}{engine}.SessionStore")


def _read_database(key: str, engine: str) -> Read:
    from django.core.signing import JSONSerializer
    from django.utils import timezone

    store = _session_store(engine)(key)
    row = store.model.objects.filter(session_key=key).first()
    if row is None:
        return None, None
    # Whatever SESSION_SERIALIZER says: what was pickled is not read.
    store.serializer = JSONSerializer
    expires = row.expire_date if timezone.is_aware(row.expire_date) else timezone.make_aware(row.expire_date)
    return store.decode(row.session_data), int(expires.timestamp() * 1000)


def _read_cache(key: str, engine: str) -> Read:
    from django.core.cache.backends.redis import RedisCache
    from redis import RedisError

    store = _session_store(engine)(key)
    cache = store._cache
    if not isinstance(cache, RedisCache):
        raise ConfigurationError("DjangoSessions reads the engine `cache` where the cache is Django's RedisCache only.")
    name = cache.make_and_validate_key(store.cache_key)
    try:
        raw = cache._cache.get_client(name).getrange(name, 0, MAX_BYTES)
    except (RedisError, OSError) as error:
        _unavailable(error)
    if not raw:
        return None, None
    try:
        data = plain_data(raw) if isinstance(raw, bytes) else None
    except NotPlainError:
        logger.warning("an old session was not adopted: its pickle holds more than plain data")
        return None, None
    return data if isinstance(data, dict) else None, None


def _read_signed(key: str, engine: str) -> Read:
    # Laid out as itsdangerous does it. The end is in the signature's time, and each change puts it off.
    return json_object(unpacked(key.rpartition(":")[0], urlsafe=True)), None


def _is_still_good(data: Mapping[Any, Any]) -> bool:
    """Whether Django would take this log-in: the user is there and active, and the password has not changed."""
    from django.apps import apps
    from django.contrib import auth

    if not apps.is_installed("django.contrib.auth"):
        raise ConfigurationError("DjangoSessions needs django.contrib.auth in INSTALLED_APPS: it judges a log-in.")
    request: Any = SimpleNamespace(session=_Probe(data))
    return bool(auth.get_user(request).is_authenticated)


class _Probe(dict[Any, Any]):
    """A session that Django may look at, and end or change to no effect."""

    def flush(self) -> None:
        """Nothing is kept of it anyway."""

    def cycle_key(self) -> None:
        """It is to get another key anyway."""


def _unavailable(error: Exception) -> NoReturn:
    raise StoreUnavailable(AWAY) from error
