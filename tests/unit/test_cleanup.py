"""When a process cleans up, and how many rows at once."""

from __future__ import annotations

import threading

import pytest

from sojourn import SessionManager
from sojourn.core.cleanup import HELD_FOR, LEAST_ROWS, MOST_ROWS, CleanupSchedule, next_rows
from sojourn.manager.cleanup import ThreadedCleanup
from sojourn.stores.memory import MemoryStore

EARLIEST, LATEST = b"\x00\x00", b"\xff\xff"


@pytest.mark.parametrize(("random", "waits"), [(EARLIEST, 300), (LATEST, 900)])
def test_the_first_one_waits_and_each_a_little_more_or_less(random: bytes, waits: float) -> None:
    schedule = CleanupSchedule(600)

    assert not schedule.is_due(1000.0, lambda _: random)
    assert schedule.at == pytest.approx(1000 + waits, rel=1e-4)
    assert not schedule.is_due(1000 + waits - 1, lambda _: random)
    assert schedule.is_due(1000 + waits, lambda _: random)
    assert not schedule.is_due(1000 + waits, lambda _: random)


def test_none_is_never() -> None:
    assert not CleanupSchedule(None).is_due(10.0**12, lambda _: EARLIEST)


@pytest.mark.parametrize(
    ("rows", "held", "then"),
    [
        (40, HELD_FOR, 40),
        (40, HELD_FOR / 1.5, 60),
        (40, HELD_FOR / 100, 80),
        (40, 0.0, 80),
        (400, 2 * HELD_FOR, 200),
        (400, 100 * HELD_FOR, LEAST_ROWS),
        (MOST_ROWS, 0.0, MOST_ROWS),
    ],
)
def test_a_batch_has_as_many_rows_as_hold_others_up_for_a_moment_and_grows_by_and_by(
    rows: int, held: float, then: int
) -> None:
    assert next_rows(rows, held) == then


def test_of_threads_one_cleans_up_at_a_time() -> None:
    begun, may_go_on, runs = threading.Event(), threading.Event(), list[int]()

    class Slow(MemoryStore):
        def delete_expired(self, before: int, limit: int) -> int:
            runs.append(before)
            begun.set()
            may_go_on.wait(30)
            return 0

    def others() -> list[threading.Thread]:
        return [each for each in threading.enumerate() if each.name == "sojourn-cleanup" and each not in before]

    before = set(threading.enumerate())
    cleanup = ThreadedCleanup(SessionManager(Slow()), 60)
    cleanup.start_if_due(1.0)
    cleanup.start_if_due(1000.0)
    assert begun.wait(30)
    first = others()
    cleanup.start_if_due(2000.0)
    for each in others():
        if each not in first:
            each.join(30)
    may_go_on.set()
    for each in first:
        each.join(30)

    assert len(runs) == 1
