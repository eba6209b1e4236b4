"""Outcome: every write with every answer that a store may give to it, and what is made of the two."""

from __future__ import annotations

from typing import get_args

import pytest
from msgspec.structs import replace

from sojourn.core.outcome import Answer, Outcome, decide_outcome
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
