"""ServerFacts: what a store's server says of itself: its settings, our rights there, its disk and its clock."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from .store_url import POSTGRES, TIMEOUT, StoreURL, extra

__all__ = ["ServerFacts", "server_facts", "store_weaknesses"]

_Told = tuple[str, Sequence[str] | None, Sequence[str] | None, float | None, float]


class ServerFacts(NamedTuple):
    """Of one server, called `name`. None is what it does not say.

    `beyond`: what the URL's user may do and sessions do not need. `forgets`: the settings by which a crash undoes what
    was acknowledged. `ahead`: how much its clock is ahead of this machine's, in seconds, give or take `unsure`.
    """

    name: str
    beyond: Sequence[str] | None
    forgets: Sequence[str] | None
    ahead: float | None
    unsure: float


class _Driver(NamedTuple):
    facts: Callable[[str, float], Sequence[_Told]]
    weaknesses: Callable[[str, float, bool], Sequence[str]]


def server_facts(url: str, *, timeout: float = TIMEOUT) -> Sequence[ServerFacts]:
    """The facts of each primary at `url`; of SQLite and memory there are none. Nothing is changed there.

    Raises ConfigurationError where a store would not start there, StoreUnavailable where the server does not answer.
    """
    at = StoreURL.parse(url)
    driver = _driver_of(at)
    return [ServerFacts(*each) for each in driver.facts(at.bare, timeout)] if driver else ()


def store_weaknesses(url: str, *, timeout: float = TIMEOUT) -> Sequence[str]:
    """What is set there that is weaker than sessions need, each in a sentence with its mend. SQLite has none to ask.

    Raises as server_facts.
    """
    at = StoreURL.parse(url)
    driver = _driver_of(at)
    return driver.weaknesses(at.bare, timeout, at.cache is not None) if driver else ()


def _driver_of(at: StoreURL) -> _Driver | None:
    """What asks the server of this store; None where there is no server."""
    if at.path is not None or at.scheme == "memory":
        return None
    if at.scheme in POSTGRES:
        with extra("postgres"):
            from .postgres.facts import facts as facts_of_postgres
            from .postgres.weaknesses import weaknesses as weaknesses_of_postgres
        return _Driver(facts_of_postgres, weaknesses_of_postgres)
    with extra("redis"):
        from .redis.facts import facts as facts_of_redis
        from .redis.weaknesses import weaknesses as weaknesses_of_redis
    return _Driver(facts_of_redis, weaknesses_of_redis)
