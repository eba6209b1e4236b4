"""Weaknesses: what a store's server is set to that is weaker than sessions need, for the checks before a start."""

from __future__ import annotations

from collections.abc import Sequence

from .store_url import POSTGRES, TIMEOUT, StoreURL, extra

__all__ = ["store_weaknesses"]


def store_weaknesses(url: str, *, timeout: float = TIMEOUT) -> Sequence[str]:
    """What is weak in the settings of the server at `url`, each in a sentence with its mend. SQLite has none to ask.

    Raises ConfigurationError where a store would not start there, StoreUnavailable where the server does not answer.
    """
    at = StoreURL.parse(url)
    if at.path is not None or at.scheme == "memory":
        return ()
    if at.scheme in POSTGRES:
        with extra("postgres"):
            from .postgres.weaknesses import weaknesses as of_postgres
        return of_postgres(at.bare, timeout, at.cache is not None)
    with extra("redis"):
        from .redis.weaknesses import weaknesses as of_redis
    return of_redis(at.bare, timeout, at.cache is not None)
