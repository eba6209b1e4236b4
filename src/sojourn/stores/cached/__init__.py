"""Sessions kept in this process, in front of a store across the network, and dropped as soon as it reports a write."""

from .store import AsyncCachedStore, CachedStore

__all__ = ["AsyncCachedStore", "CachedStore"]
