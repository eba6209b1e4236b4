"""RedisValues: an old layer's sessions in Redis, by their keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from sojourn.core.errors import ConfigurationError, StoreUnavailable
from sojourn.core.extras import install

from .layer import MAX_BYTES

if TYPE_CHECKING:
    from redis import Redis

__all__ = ["RedisValues"]

TIMEOUT = 2.0


class RedisValues:
    """Values in Redis under one prefix: by a `redis://` URL, or by a client of redis-py that the application has."""

    def __init__(self, redis: str | Redis, prefix: str) -> None:
        try:
            from redis import Redis, RedisError
        except ImportError as error:
            raise ConfigurationError(f"Sessions in Redis need the extra `redis`: {install('redis')}") from error
        if isinstance(redis, str):
            redis = Redis.from_url(redis, socket_timeout=TIMEOUT, socket_connect_timeout=TIMEOUT)
        elif not hasattr(redis, "getrange") or hasattr(redis, "__aenter__"):
            raise ConfigurationError("An old layer's Redis is given as a URL, or as a client that is not asyncio's.")
        self._client: Any = redis
        self._prefix = prefix
        self._error = RedisError

    def get(self, key: str) -> bytes | None:
        """The value; None where there is none, or one that is too large for a session."""
        try:
            # Not more of it than that, whatever lies there.
            found = self._client.getrange(self._prefix + key, 0, MAX_BYTES)
        except (self._error, OSError) as error:
            _unavailable(error)
        if isinstance(found, str):
            raise ConfigurationError("This Redis client has decode_responses=True: give one without, or a URL.")
        return found if found and len(found) <= MAX_BYTES else None

    def delete(self, key: str) -> None:
        """Delete the value."""
        try:
            self._client.delete(self._prefix + key)
        except (self._error, OSError) as error:
            _unavailable(error)


def _unavailable(error: Exception) -> NoReturn:
    raise StoreUnavailable("The Redis of the sessions that are adopted did not answer.") from error
