"""Sessions kept in this process, in front of a store across the network, and dropped as soon as it reports a write."""

from .async_store import AsyncCachedStore
from .store import CachedStore

__all__ = ["AsyncCachedStore", "CachedStore"]
