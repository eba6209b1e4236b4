"""Upkeep: which writes may wait, and for how long they do after one was refused."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from sojourn.core.commit import REST_MS, Rest, is_upkeep
from sojourn.core.store import Commit, Create, End
from sojourn.testing.records import NOW, change, commit, make_record

RECORD = make_record()
TOUCH = commit(RECORD, seen_at=NOW)
RENEWAL = commit(RECORD, secrets=(RECORD.secrets, replace(RECORD.secrets, rotated_at=NOW)))
RUN_OUT = End(RECORD.id, "idle_timeout", NOW)

Write = Create | Commit | End | None


@pytest.mark.parametrize("write", [TOUCH, RENEWAL, RUN_OUT, End(RECORD.id, "absolute_timeout", NOW)])
def test_activity_a_renewed_secret_and_the_note_that_a_session_ran_out_may_wait(write: Write) -> None:
    assert is_upkeep(write)


@pytest.mark.parametrize(
    "write",
    [
        None,
        commit(RECORD, changes={"a": change(None, b"1")}, seen_at=NOW),
        commit(RECORD, increments={"n": 1}),
        Create(record=RECORD, now=NOW, began_at=NOW),
        End(RECORD.id, "logout", NOW),
        End(RECORD.id, "revoked", NOW),
        End(RECORD.id, "token_reuse", NOW),
    ],
)
def test_what_a_handler_did_and_what_is_for_safety_may_not(write: Write) -> None:
    assert not is_upkeep(write)


def test_after_a_refusal_upkeep_rests_for_a_while_and_nothing_else_does() -> None:
    rest = Rest()
    assert not rest.holds(TOUCH, NOW)
    rest.begin(NOW)

    assert [rest.holds(TOUCH, NOW + later) for later in (0, REST_MS - 1, REST_MS)] == [True, True, False]
    assert not rest.holds(End(RECORD.id, "logout", NOW), NOW)


def test_a_clock_that_is_put_back_ends_the_rest() -> None:
    rest = Rest()
    rest.begin(NOW)

    assert not rest.holds(TOUCH, NOW - 1)
