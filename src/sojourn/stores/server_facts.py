"""ServerFacts: what a store's server says of our rights there, of its disk and of its clock, for `sojourn doctor`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from .store_url import POSTGRES, TIMEOUT, StoreURL, extra

__all__ = ["ServerFacts", "server_facts"]


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


def server_facts(url: str, *, timeout: float = TIMEOUT) -> Sequence[ServerFacts]:
    """The facts of each primary at `url`; of SQLite and memory there are none. Nothing is changed there.

    Raises ConfigurationError where a store would not start there, StoreUnavailable where the server does not answer.
    """
    at = StoreURL.parse(url)
    if at.path is not None or at.scheme == "memory":
        return ()
    if at.scheme in POSTGRES:
        with extra("postgres"):
            from .postgres.facts import facts as of_postgres
        return [ServerFacts(*of_postgres(at.bare, timeout))]
    with extra("redis"):
        from .redis.facts import facts as of_redis
    return [ServerFacts(*each) for each in of_redis(at.bare, timeout)]
