"""RedisStore: records in Redis or Valkey, one server, Sentinel or Cluster. Needs the extra `redis`."""

from .async_store import AsyncRedisStore
from .store import RedisStore

__all__ = ["AsyncRedisStore", "RedisStore"]
