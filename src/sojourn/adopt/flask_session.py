"""FlaskSessionRedis: sessions of Flask-Session, kept in Redis."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any

import msgspec

from sojourn.core.cookie import CookieOptions

from .json_text import json_object
from .layer import Old, user_at
from .redis_values import RedisValues
from .signed import Secret, Signed, keys_of

if TYPE_CHECKING:
    from redis import Redis

__all__ = ["FlaskSessionRedis"]

logger = logging.getLogger("sojourn")

_SID = re.compile(r"[A-Za-z0-9_-]{16,256}").fullmatch


class FlaskSessionRedis:
    """Sessions of Flask-Session with SESSION_TYPE "redis", in msgpack or JSON. What older versions pickled is not read.

    `redis` is its URL or your client. `user_key` is where the user's id is in the session: Flask-Login's by default.
    `secret_key` is the app's, where SESSION_USE_SIGNER is on: it needs itsdangerous. Raises ConfigurationError without
    that or the extra `redis`, and for a client that is asyncio's or decodes.
    """

    kind = "flask-session"

    def __init__(
        self,
        redis: str | Redis,
        *,
        user_key: str | None = "_user_id",
        key_prefix: str = "session:",
        secret_key: Secret | None = None,
        session_cookie: str = "session",
        path: str = "/",
        domain: str | None = None,
    ) -> None:
        self.cookie = CookieOptions(name=session_cookie, path=path, domain=domain)
        self._values = RedisValues(redis, key_prefix)
        self._user_key = user_key
        self._signed: Signed | None = None
        if secret_key is not None:
            self._signed = Signed(keys_of(secret_key), salt="flask-session", derivation="hmac", timed=False)

    def verify(self, value: str, now: int) -> str | None:
        """As Layer.verify: the id, which is its own proof where it is not signed."""
        if self._signed is not None:
            signed = self._signed.verify(value)
            value = signed.key if signed else ""
        return value if _SID(value) else None

    def read(self, key: str, now: int) -> Old | None:
        """As Layer.read. Redis forgets what expired; each request puts that off."""
        raw = self._values.get(key)
        if raw is None:
            return None
        data = _unpacked(raw)
        if data is None:
            logger.warning("an old session was not adopted: it is neither msgpack nor JSON")
            return None
        # Flask's word for a cookie that outlives the browser.
        data.pop("_permanent", None)
        return Old(data, user_at(data, self._user_key))

    def retire(self, key: str) -> None:
        """As Layer.retire."""
        self._values.delete(key)


def _unpacked(raw: bytes) -> dict[Any, Any] | None:
    try:
        value = msgspec.msgpack.decode(raw)
    # TypeError and ValueError: keys that cannot be hashed, times that are none.
    except (msgspec.DecodeError, RecursionError, TypeError, ValueError):
        return json_object(raw)
    return value if isinstance(value, dict) else None
