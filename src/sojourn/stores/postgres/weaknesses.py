"""What is weak in the state of a PostgreSQL server, for sessions."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from .statement import Statement, Steps
from .store import PostgresStore

__all__ = ["weaknesses"]

# Of 8 GB, as PostgreSQL comes. Whoever listens and reads leaves next to nothing there.
UNREAD = 0.01
_SELECT_UNREAD = "SELECT pg_catalog.pg_notification_queue_usage()"


def weaknesses(conninfo: str, timeout: float, cached: bool) -> Sequence[str]:
    """Each in a sentence, with its mend. `cached`: caches listen to the writes."""
    store = PostgresStore(conninfo, timeout=timeout)
    try:
        return store._run(partial(_weaknesses, cached))
    finally:
        store.close()


def _weaknesses(cached: bool) -> Steps[Sequence[str]]:
    # Where the queue is full, every write that notifies is refused.
    [[(unread,)]] = yield [Statement(_SELECT_UNREAD)]
    if unread < UNREAD:
        return []
    why = "and the writes of sessions with it, for caches listen" if cached else "of any program in this server"
    told = (
        f"PostgreSQL's queue of NOTIFY is {unread:.0%} full: somebody who listens has stopped reading. When it is full "
        f"every NOTIFY fails, {why}. Its log names who; end that one with pg_terminate_backend()."
    )
    return [told]
