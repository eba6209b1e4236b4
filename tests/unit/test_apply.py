"""What a write does to a record, for stores that judge in Python."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from sojourn import DataTooLarge, SessionLimitReached
from sojourn.core.apply import changed, ended, may_be_replaced, may_end, over_limit
from sojourn.core.codec import MAX_INTEGER
from sojourn.core.errors import EndReason
from sojourn.core.record import Dated
from sojourn.core.store import End, Ends, Limit
from sojourn.testing.records import HOUR, MINUTE, NOW, change, commit, make_record

RECORD = make_record("ada", data={"a": b"1", "b": b"[1]"})


def test_a_change_of_what_was_loaded_applies() -> None:
    after = changed(
        RECORD, commit(RECORD, changes={"a": change(b"1", b"2"), "b": change(b"[1]", None), "c": change(None, b"3")})
    )

    assert after == replace(RECORD, data={"a": b"2", "c": b"3"}, version=2)
    assert RECORD.data == {"a": b"1", "b": b"[1]"}


@pytest.mark.parametrize(
    "changes",
    [
        {"a": change(b"2", b"3")},
        {"a": change(None, b"3")},
        {"z": change(b"1", b"3")},
        {"z": change(b"1", None)},
        {"a": change(b"1", b"2"), "b": change(b"[2]", b"[3]")},
    ],
    ids=["other", "none", "gone", "deleted twice", "one of two"],
)
def test_a_change_of_anything_else_is_refused_whole(changes: Any) -> None:
    assert changed(RECORD, commit(RECORD, changes=changes)) is None


def test_a_deletion_of_what_is_not_there_is_no_matter() -> None:
    after = changed(RECORD, commit(RECORD, changes={"z": change(None, None)}))

    assert after is not None
    assert after.data == RECORD.data


def test_increments_are_added_and_begin_at_nought() -> None:
    after = changed(RECORD, commit(RECORD, increments={"a": 5, "n": -2, "zero": 0}))

    assert after is not None
    assert after.data == {"a": b"6", "b": b"[1]", "n": b"-2", "zero": b"0"}
    assert after.version == 2


@pytest.mark.parametrize(
    ("value", "by"), [(b"[1]", 1), (b"true", 1), (b"1.0", 1), (b'"1"', 1), (b"%d" % MAX_INTEGER, 1)]
)
def test_an_increment_of_no_integer_or_beyond_the_last_is_refused(value: bytes, by: int) -> None:
    record = make_record(data={"n": value})

    assert changed(record, commit(record, increments={"n": by})) is None


@pytest.mark.parametrize(
    ("fields", "at"),
    [
        ({"ended_at": NOW, "end_reason": "logout"}, NOW),
        ({}, NOW + 30 * MINUTE),
        ({"seen_at": NOW + 12 * HOUR - 1}, NOW + 12 * HOUR),
    ],
)
@pytest.mark.parametrize("parts", [{"changes": {"a": change(None, b"1")}}, {"increments": {"a": 1}}, {}])
def test_nothing_is_changed_in_a_session_that_is_over(fields: dict[str, Any], at: int, parts: dict[str, Any]) -> None:
    record = make_record(**fields)

    assert changed(record, commit(record, now=at, **parts)) is None


def test_the_requests_own_activity_counts_for_it() -> None:
    """It opened the session in time and wrote late: the session is live, and slides."""
    after = changed(RECORD, commit(RECORD, now=NOW + 31 * MINUTE, seen_at=NOW + 29 * MINUTE))

    assert after == replace(RECORD, seen_at=NOW + 29 * MINUTE)


def test_activity_never_passes_the_absolute_limit() -> None:
    assert changed(RECORD, commit(RECORD, now=NOW + 12 * HOUR, seen_at=NOW + 12 * HOUR)) is None


def test_activity_never_goes_back() -> None:
    record = replace(RECORD, seen_at=NOW + MINUTE)

    assert changed(record, commit(record, now=NOW + MINUTE, seen_at=NOW)) == record


def test_a_touch_and_a_rotation_leave_the_version() -> None:
    fresh = replace(RECORD.secrets, next=(Dated(b"n" * 16, NOW),))
    after = changed(RECORD, commit(RECORD, seen_at=NOW + 1, secrets=(RECORD.secrets, fresh)))

    assert after == replace(RECORD, seen_at=NOW + 1, secrets=fresh)


def test_a_rotation_of_other_secrets_than_there_are_is_refused() -> None:
    other = replace(RECORD.secrets, current=b"o" * 16)

    assert changed(RECORD, commit(RECORD, changes={"c": change(None, b"1")}, secrets=(other, other))) is None


def test_data_beyond_the_limit_is_refused_with_both_numbers() -> None:
    record = make_record(data={})
    fits = {"a": change(None, b"1" * 94)}
    changed(record, commit(record, max_bytes=100, changes=fits))

    with pytest.raises(DataTooLarge) as caught:
        changed(record, commit(record, max_bytes=99, changes=fits))
    assert (caught.value.size, caught.value.limit) == (100, 99)


def test_an_increment_counts_for_the_limit_too() -> None:
    record = make_record(data={"a": b"1" * 20})

    with pytest.raises(DataTooLarge):
        changed(record, commit(record, max_bytes=26, increments={"n": 1}))


def test_data_over_the_limit_may_always_be_made_smaller() -> None:
    record = make_record(data={"a": b"1" * 50, "b": b"1"})

    assert changed(record, commit(record, max_bytes=10, changes={"a": change(b"1" * 50, b"1" * 40)})) is not None
    assert changed(record, commit(record, max_bytes=10, changes={"b": change(b"1", b"2")})) is not None


def test_an_end_drops_the_data_and_says_why() -> None:
    assert ended(RECORD, "revoked", NOW + 5) == replace(RECORD, data={}, ended_at=NOW + 5, end_reason="revoked")


@pytest.mark.parametrize(
    ("fields", "reason", "at"),
    [({}, "idle_timeout", NOW + 30 * MINUTE), ({"seen_at": NOW + 12 * HOUR - 1}, "absolute_timeout", NOW + 12 * HOUR)],
)
def test_a_session_that_had_run_out_keeps_that_as_its_end(fields: dict[str, Any], reason: str, at: int) -> None:
    after = ended(replace(RECORD, **fields), "revoked", NOW + 20 * HOUR)

    assert (after.end_reason, after.ended_at) == (reason, at)


@pytest.mark.parametrize(
    ("fields", "reason", "at", "may"),
    [
        ({}, "logout", NOW, True),
        ({}, "idle_timeout", NOW, False),
        ({}, "absolute_timeout", NOW + 30 * MINUTE - 1, False),
        ({}, "idle_timeout", NOW + 30 * MINUTE, True),
        ({"ended_at": NOW, "end_reason": "logout"}, "revoked", NOW, False),
    ],
)
def test_an_end_for_running_out_is_for_what_has_run_out(
    fields: dict[str, Any], reason: EndReason, at: int, may: bool
) -> None:
    record = make_record(**fields)

    assert may_end(record, End(record.id, reason, at)) is may


@pytest.mark.parametrize(
    ("fields", "version", "at", "may"),
    [
        ({}, None, NOW, True),
        ({}, 1, NOW, True),
        ({"version": 2}, 1, NOW, False),
        ({"version": 2}, None, NOW, True),
        ({"ended_at": NOW, "end_reason": "logout"}, None, NOW, False),
        ({}, None, NOW + 30 * MINUTE, False),
    ],
)
def test_a_session_is_replaced_while_it_is_live_and_as_it_was(
    fields: dict[str, Any], version: int | None, at: int, may: bool
) -> None:
    record = make_record(**fields)

    assert may_be_replaced(record, Ends(record.id, "replaced", version), at) is may


def test_a_session_that_is_not_there_is_not_replaced() -> None:
    assert not may_be_replaced(None, Ends(RECORD.id, "replaced", None), NOW)


@pytest.mark.parametrize(("most", "gone"), [(5, 0), (4, 0), (3, 1), (2, 2), (1, 3)])
def test_the_oldest_go_for_one_more(most: int, gone: int) -> None:
    live = [make_record("ada", created_at=NOW + age) for age in (2, 0, 1)]
    oldest_first = sorted(live, key=lambda record: record.created_at)

    assert list(over_limit(live, Limit(most, end_oldest=True))) == oldest_first[:gone]


def test_or_the_new_one_is_refused() -> None:
    live = [make_record("ada"), make_record("ada")]

    assert over_limit(live, Limit(3, end_oldest=False)) == []
    with pytest.raises(SessionLimitReached, match="already has 2 sessions") as caught:
        over_limit(live, Limit(2, end_oldest=False))
    assert caught.value.limit == 2
