"""StarsessionsRedis: sessions of starsessions, kept in Redis."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sojourn.core.cookie import CookieOptions

from .json_text import json_object
from .layer import Old, user_at
from .redis_values import RedisValues

if TYPE_CHECKING:
    from redis import Redis

__all__ = ["StarsessionsRedis"]

_ID = re.compile(r"[0-9a-f]{32}").fullmatch


class StarsessionsRedis:
    """Sessions of starsessions' `RedisStore` with its `JsonSerializer`, the arguments named as there.

    `redis` is its URL or a client that is not asyncio's. `user_key` is where your application kept the user's id, None
    where nobody logs in. Raises ConfigurationError without the extra `redis`, and for a client that is asyncio's or
    decodes.
    """

    kind = "starsessions"

    def __init__(
        self,
        redis: str | Redis,
        *,
        user_key: str | None,
        prefix: str = "starsessions.",
        rolling: bool = False,
        cookie_name: str = "session",
        cookie_path: str = "/",
        cookie_domain: str | None = None,
    ) -> None:
        self.cookie = CookieOptions(name=cookie_name, path=cookie_path, domain=cookie_domain)
        self._values = RedisValues(redis, prefix)
        self._user_key = user_key
        self._rolling = rolling

    def verify(self, value: str, now: int) -> str | None:
        """As Layer.verify: the id, which is its own proof."""
        return value if _ID(value) else None

    def read(self, key: str, now: int) -> Old | None:
        """As Layer.read. Redis forgets what expired."""
        data = json_object(self._values.get(key))
        if data is None:
            return None
        metadata = data.pop("__metadata__", None)
        created, lifetime = _seconds(metadata, "created"), _seconds(metadata, "lifetime")
        ends_at = None
        if created is not None and lifetime and not self._rolling:
            ends_at = int((created + lifetime) * 1000)
            if ends_at <= now:
                return None
        # Nobody logged in before there was a session.
        since = None if created is None else int(created * 1000)
        return Old(data, user_at(data, self._user_key), since, ends_at)

    def retire(self, key: str) -> None:
        """As Layer.retire."""
        self._values.delete(key)


def _seconds(metadata: object, name: str) -> float | None:
    value = metadata.get(name) if isinstance(metadata, dict) else None
    if not isinstance(value, (int, float)) or not 0 <= value < 2**40:
        return None
    return float(value)
