"""Outcome: every write with every answer that a store may give to it, and what is made of the two."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

import pytest
from msgspec.structs import replace

from sojourn.core.outcome import POSTPONED, Answer, Backoff, Outcome, decide_outcome
from sojourn.core.store import Applied, Commit, Create, End, Refused
from sojourn.testing.records import HOUR, NOW, change, commit, make_record

LIVE = make_record()
OVER = replace(LIVE, ended_at=NOW, end_reason="revoked")
RUN_OUT = replace(LIVE, seen_at=NOW - 40 * HOUR)

CREATE = Create(record=make_record(), now=NOW, began_at=NOW)
CHANGE = commit(LIVE, changes={"a": change(None, b"1")})
COUNT = commit(LIVE, increments={"n": 1})
TOUCH = commit(LIVE, seen_at=NOW)
END = End(LIVE.id, "logout", NOW)

Write = Create | Commit | End | None

# Of each write, what comes of it where the store refused it for a session that ended, ran out, or is gone.
REFUSED: list[tuple[Write, bool, Outcome]] = [
    (CREATE, False, "alone"),
    (CREATE, True, "too_late"),
    (CHANGE, False, "too_late"),
    (COUNT, False, "too_late"),
    (TOUCH, False, "over"),
]

APPLIED: list[tuple[Write, Answer, Outcome]] = [
    (CREATE, Applied(1), "created"),
    (CHANGE, Applied(2), "committed"),
    (COUNT, Applied(2), "committed"),
    (TOUCH, Applied(1), "committed"),
    (END, LIVE, "left"),
    (END, None, "left"),
    (None, None, "left"),
    (TOUCH, POSTPONED, "postponed"),
]


@pytest.mark.parametrize("regenerates", [False, True])
@pytest.mark.parametrize(("write", "answer", "outcome"), APPLIED)
def test_what_was_written_is_what_it_came_to(write: Write, answer: Answer, outcome: Outcome, regenerates: bool) -> None:
    assert decide_outcome(write, answer, regenerates, NOW) == outcome


@pytest.mark.parametrize("gone", [OVER, RUN_OUT, None], ids=["ended", "run out", "unknown"])
@pytest.mark.parametrize(("write", "regenerates", "outcome"), REFUSED)
def test_a_write_to_a_session_that_is_over_is_lost_only_where_something_was_to_be_written(
    write: Write, regenerates: bool, outcome: Outcome, gone: object
) -> None:
    assert isinstance(gone, type(OVER) | None)
    assert decide_outcome(write, Refused(gone), regenerates, NOW) == outcome


@pytest.mark.parametrize("regenerates", [False, True])
@pytest.mark.parametrize("write", [CREATE, CHANGE, COUNT, TOUCH], ids=["create", "change", "count", "touch"])
def test_a_write_that_a_live_session_refused_is_tried_again(write: Write, regenerates: bool) -> None:
    assert decide_outcome(write, Refused(LIVE), regenerates, NOW) == "overtaken"


def test_every_outcome_is_met_here() -> None:
    met = {outcome for *_, outcome in REFUSED} | {outcome for *_, outcome in APPLIED} | {"overtaken"}

    assert met == set(get_args(Outcome))


def pauses(took: float, random: Callable[[int], bytes], count: int = 12) -> list[float]:
    """What is waited after each refusal, where each trial takes so long."""
    now, found = 100.0, []
    backoff = Backoff(now)
    for _ in range(count):
        now += took
        found.append(backoff.pause(now, random))
        now += found[-1]
    return found


def test_who_is_overtaken_tries_again_at_once_and_then_waits_longer_and_longer() -> None:
    """Every second time; never longer than half a second; and after a dozen refusals no more."""
    found = pauses(0.0, lambda _: b"\xff\xff", 16)

    assert found[::2] == [0.0] * 8
    assert found[1::2] == pytest.approx([0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0, 0], rel=1e-4)
    assert max(pauses(1.0, lambda _: b"\xff\xff")) == pytest.approx(0.5, rel=1e-4)
    assert pauses(0.0, lambda _: b"\x80\x00")[1::2] == pytest.approx([0.004, 0.008, 0.016, 0.032, 0.064, 0.128])
    assert pauses(0.0, bytes) == [0.0] * 12


def test_the_longer_the_trials_take_the_more_others_there_are_to_wait_for() -> None:
    assert pauses(0.01, lambda _: b"\xff\xff", 4)[1::2] == pytest.approx([0.08, 0.16], rel=1e-4)
