"""RedisStore: records in Redis or Valkey, one server, Sentinel or Cluster. Needs the extra `redis`."""

from .store import AsyncRedisStore, RedisStore

__all__ = ["AsyncRedisStore", "RedisStore"]
