"""CleanupSchedule: when a process cleans up."""

from __future__ import annotations

import pytest

from sojourn.core.cleanup import CleanupSchedule

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
