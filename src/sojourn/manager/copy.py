"""copy_sessions: every session of one store into another, while both are in use."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Protocol, TypeVar

from sojourn.core.copy import CopyOutcome, CopyPlan, plan_copy
from sojourn.core.errors import SessionEnded, SessionExists
from sojourn.core.record import Record
from sojourn.core.store import Bar, Commit, Create, End, Refused, Store
from sojourn.core.token import hash_user

from .async_manager import milliseconds
from .context import Clock

__all__ = ["copy_sessions"]

PAGE = 1000
# Each waits for one answer after the other; and SQLite puts what comes together into one transaction.
THREADS = 8
# Somebody writes to the session there, as fast as this does: the next run will find out who was ahead.
MAX_ATTEMPTS = 20


class _Named(Protocol):
    @property
    def id(self) -> str: ...


T = TypeVar("T", bound=_Named)


def copy_sessions(
    source: Store,
    target: Store,
    *,
    keep_ended: float,
    on_page: Callable[[Counter[CopyOutcome]], None] | None = None,
    clock: Clock = milliseconds,
) -> Counter[CopyOutcome]:
    """Make `target` hold what `source` holds, secrets and dead sessions too; how many of each.

    First come the instants before which nothing may have begun, and the marks of adoption: an old cookie is worth
    there what it is here, and no more. The instants are held in memory, a hundred bytes or two of each user's.
    What ended longer ago than `keep_ended` seconds is left behind. Run again, it writes only what differs. `on_page`
    is told the counts so far. Raises StoreUnavailable; what was copied stays.
    """
    counts: Counter[CopyOutcome] = Counter()
    bars: dict[str, int] = {}
    with ThreadPoolExecutor(THREADS) as threads:
        for some in _pages(source.bars):
            bars.update((bar.id, bar.at) for bar in some)
            _all(threads.map(target.put_bar, some))
        for marks in _pages(source.marks):
            _all(threads.map(target.put_mark, marks))
        for page in _pages(source.scan):
            now = clock()
            copy = partial(_copy, target, bars, now, now - int(keep_ended * 1000))
            counts.update(threads.map(copy, page))
            if on_page:
                on_page(counts)
    return counts


def _pages(read: Callable[[str, int], Sequence[T]]) -> Iterator[Sequence[T]]:
    after = ""
    while page := read(after, PAGE):
        yield page
        after = page[-1].id


def _all(done: Iterable[object]) -> None:
    """Wait for what the threads do. Raises what one of them raised."""
    deque(done, 0)


def _copy(target: Store, bars: Mapping[str, int], now: int, before: int, record: Record) -> CopyOutcome:
    for_all = bars.get(Bar(record.realm, "", 0).id, 0)
    for_user = 0 if record.user_id is None else bars.get(Bar(record.realm, hash_user(record.user_id), 0).id, 0)
    for _ in range(MAX_ATTEMPTS):
        plan = plan_copy(record, target.get(record.id), now, before, max(for_all, for_user))
        try:
            if _is_written(target, plan):
                return plan.outcome
        except SessionEnded:
            return "barred"
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
