"""RedisStore: records in Redis or Valkey, one server, Sentinel or Cluster. Needs the extra `redis`."""

try:
    import redis  # noqa: F401  # looked for here, so that its absence is told in one sentence
except ImportError as error:
    from sojourn.core.extras import install

    raise ImportError(f"sojourn.stores.redis needs redis-py: {install('redis')}") from error

from .async_store import AsyncRedisStore
from .store import RedisStore

__all__ = ["AsyncRedisStore", "RedisStore"]
