"""CleanupSchedule: when a process cleans up, by the requests that come to it."""

from __future__ import annotations

from sojourn.core.cleanup import CleanupSchedule
from sojourn.testing.records import NOW


def half(size: int) -> bytes:
    """A random source that draws the middle."""
    return b"\x80" + b"\x00" * (size - 1)


def test_the_first_request_cleans_nothing_and_the_next_one_after_the_interval_does() -> None:
    schedule = CleanupSchedule(600)

    assert not schedule.is_due(NOW, half)
    assert schedule.at == NOW + 600_000
    assert not schedule.is_due(NOW + 599_999, half)
    assert schedule.is_due(NOW + 600_000, half)


def test_of_two_requests_that_find_it_due_at_once_one_cleans() -> None:
    schedule = CleanupSchedule(600)
    schedule.is_due(NOW, half)

    assert [schedule.is_due(NOW + 600_000, half) for _ in range(2)] == [True, False]


def test_processes_that_start_together_do_not_clean_together() -> None:
    early, late = CleanupSchedule(600), CleanupSchedule(600)
    early.is_due(NOW, lambda size: b"\x00" * size)
    late.is_due(NOW, lambda size: b"\xff" * size)

    assert (early.at - NOW, (late.at - NOW) // 10_000) == (300_000, 89)


def test_without_an_interval_nothing_is_ever_due() -> None:
    assert not CleanupSchedule(None).is_due(NOW * 1000, half)
