"""Where records are kept: the protocol, and what helps to write a store of one's own.

Import the store that you use by its name: `from sojourn.stores.sqlite import AsyncSQLiteStore`.
"""

from sojourn.core.apply import changed, ended, may_be_replaced, may_begin, may_end, over_limit
from sojourn.core.record import Client, Dated, Record, Secrets
from sojourn.core.store import (
    Applied,
    AsyncStore,
    AsyncWatchableStore,
    Change,
    Commit,
    Create,
    End,
    Ends,
    Limit,
    Mark,
    Refused,
    Stats,
    Store,
    WatchableStore,
    Watcher,
)

__all__ = [
    "Applied",
    "AsyncStore",
    "AsyncWatchableStore",
    "Change",
    "Client",
    "Commit",
    "Create",
    "Dated",
    "End",
    "Ends",
    "Limit",
    "Mark",
    "Record",
    "Refused",
    "Secrets",
    "Stats",
    "Store",
    "WatchableStore",
    "Watcher",
    "changed",
    "ended",
    "may_be_replaced",
    "may_begin",
    "may_end",
    "over_limit",
]
