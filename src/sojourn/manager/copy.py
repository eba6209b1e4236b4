"""copy_sessions: every session of one store into another, while both are in use."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from sojourn.core.copy import CopyOutcome, CopyPlan, plan_copy
from sojourn.core.errors import SessionEnded, SessionExists
from sojourn.core.record import Record
from sojourn.core.store import Commit, Create, End, Refused, Store

from .async_manager import milliseconds
from .context import Clock

__all__ = ["copy_sessions"]

PAGE = 1000
# Each waits for one answer after the other; and SQLite puts what comes together into one transaction.
THREADS = 8
# Somebody writes to the session there, as fast as this does: the next run will find out who was ahead.
MAX_ATTEMPTS = 20


def copy_sessions(
    source: Store,
    target: Store,
    *,
    keep_ended: float,
    on_page: Callable[[Counter[CopyOutcome]], None] | None = None,
    clock: Clock = milliseconds,
) -> Counter[CopyOutcome]:
    """Make `target` hold what `source` holds, secrets, dead sessions and marks of adoption too; how many of each.

    What ended longer ago than `keep_ended` seconds is left behind. Run again, it writes only what differs. `on_page`
    is told the counts so far. Raises StoreUnavailable; what was copied stays.
    """
    counts: Counter[CopyOutcome] = Counter()
    with ThreadPoolExecutor(THREADS) as threads:
        for page in _pages(source):
            now = clock()
            copy = partial(_copy, target, now, now - int(keep_ended * 1000))
            counts.update(threads.map(copy, page))
            if on_page:
                on_page(counts)
    return counts


def _pages(store: Store) -> Iterator[Sequence[Record]]:
    after = ""
    while page := store.scan(after, PAGE):
        yield page
        after = page[-1].id


def _copy(target: Store, now: int, before: int, record: Record) -> CopyOutcome:
    for _ in range(MAX_ATTEMPTS):
        plan = plan_copy(record, target.get(record.id), now, before)
        try:
            if _is_written(target, plan):
                return plan.outcome
        except SessionEnded:
            # All of its user's sessions were ended there, after it began.
            return "newer"
    return "newer"


def _is_written(target: Store, plan: CopyPlan) -> bool:
    return all(_is_applied(target, write) for write in plan.writes)


def _is_applied(target: Store, write: Create | Commit | End) -> bool:
    if isinstance(write, Commit):
        return not isinstance(target.commit(write), Refused)
    if isinstance(write, End):
        return target.end(write) is not None
    try:
        target.create(write)
    except SessionExists:
        return False
    return True
