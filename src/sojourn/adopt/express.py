"""ExpressSessionRedis: sessions of express-session, kept in Redis by connect-redis."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import unquote

from sojourn.core.cookie import CookieOptions

from .json_text import json_object
from .layer import Old, user_at
from .redis_values import RedisValues
from .signed import keys_of

if TYPE_CHECKING:
    from redis import Redis

__all__ = ["ExpressSessionRedis"]

_SID = re.compile(r"[\x21-\x7e]{16,256}").fullmatch


class ExpressSessionRedis:
    """Sessions of express-session with connect-redis. `secret` is express-session's, or several.

    `redis` is its URL or your client. `user_key` is where your application kept the user's id, None where nobody logs
    in; Passport keeps it in "passport.user". Raises ConfigurationError without the extra `redis`, and for a client that
    is asyncio's or decodes.
    """

    kind = "express-session"

    def __init__(
        self,
        redis: str | Redis,
        *,
        secret: str | Sequence[str],
        user_key: str | None,
        prefix: str = "sess:",
        name: str = "connect.sid",
        path: str = "/",
        domain: str | None = None,
    ) -> None:
        self.cookie = CookieOptions(name=name, path=path, domain=domain)
        self._values = RedisValues(redis, prefix)
        self._secrets = [key if isinstance(key, bytes) else key.encode() for key in keys_of(secret)]
        self._user_key = user_key

    def verify(self, value: str, now: int) -> str | None:
        """As Layer.verify: the id, of which `s:id.signature` is the proof (cookie-signature)."""
        text = unquote(value)
        sid, dot, signature = text.removeprefix("s:").rpartition(".")
        if not text.startswith("s:") or not dot or not _SID(sid):
            return None
        shown = signature.encode()
        good = [hmac.compare_digest(shown, _signature(sid, secret)) for secret in self._secrets]
        return sid if any(good) else None

    def read(self, key: str, now: int) -> Old | None:
        """As Layer.read. Each request puts the end off, so it does not bound the session."""
        data = json_object(self._values.get(key))
        if data is None or _expired(data.pop("cookie", None), now):
            return None
        return Old(data, user_at(data, self._user_key))

    def retire(self, key: str) -> None:
        """As Layer.retire."""
        self._values.delete(key)


def _signature(sid: str, secret: bytes) -> bytes:
    return base64.b64encode(hmac.new(secret, sid.encode(), hashlib.sha256).digest()).rstrip(b"=")


def _expired(cookie: object, now: int) -> bool:
    expires = cookie.get("expires") if isinstance(cookie, dict) else None
    if not isinstance(expires, str):
        return False
    try:
        at = datetime.fromisoformat(expires)
    except ValueError:
        return True
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000 <= now
