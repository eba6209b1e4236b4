"""What PostgreSQL judges in SQL is what sojourn.core.apply judges in Python, to the last byte."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from sojourn.core.codec import MAX_INTEGER
from sojourn.core.errors import DataTooLarge
from sojourn.core.record import Client, Dated, Record, Secrets
from sojourn.core.store import Commit, Create, End, Store
from sojourn.stores.memory import MemoryStore
from sojourn.stores.postgres import PostgresStore, migrate
from sojourn.testing.records import MINUTE, NOW, change, make_record

KEYS = st.sampled_from(["", "a", "b", "n", "ключ", "back\\slash", "\\0000", "nul\0", 'q"', "🦊"])
INTEGERS = [b"0", b"1", b"-0", b"-7", b"%d" % MAX_INTEGER, b"-%d" % MAX_INTEGER, b"9" * 40]
OTHERS = [b"1.0", b"1e300", b'"a"', b'"\\u0000"', '"ä\\n🦊"'.encode(), b"[]", b'{"b":1,"a":2}', b"null"]
VALUES = st.sampled_from([*INTEGERS, *OTHERS])
SECRETS = [
    Secrets(b"f" * 16, b"a" * 16, NOW),
    Secrets(b"f" * 16, b"a" * 16, NOW, (Dated(b"b" * 16, 1),)),
    Secrets(b"f" * 16, b"a" * 16, NOW + 1),
]

records = st.builds(
    make_record,
    user_id=st.sampled_from([None, "ada", "nul\0", "back\\slash", "zoë"]),
    data=st.dictionaries(KEYS, VALUES, max_size=4),
    seen_at=st.sampled_from([NOW, NOW + 5 * MINUTE]),
    secrets=st.sampled_from(SECRETS),
    idle_timeout=st.sampled_from([MINUTE, 30 * MINUTE]),
    absolute_expires_at=st.sampled_from([NOW + 3 * MINUTE, NOW + 60 * MINUTE]),
    client=st.just(Client("::1", "nul\0 \\ \x1f é")),
    remember=st.booleans(),
)


@pytest.fixture(scope="module")
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    """One for the module: what is made in it never meets."""
    conninfo = request.getfixturevalue("postgres").new_database()
    migrate(conninfo)
    made = PostgresStore(conninfo)
    yield made
    made.close()


@st.composite
def commits(draw: st.DrawFn) -> tuple[Record, Commit]:
    record = draw(records)
    touched = draw(st.lists(KEYS, max_size=3, unique=True))
    right = draw(st.sampled_from([True, True, True, False]))
    changes = {
        key: change(record.data.get(key) if right else draw(st.none() | VALUES), draw(st.none() | VALUES))
        for key in touched
    }
    by = st.integers(-3, 3) | st.sampled_from([MAX_INTEGER, -MAX_INTEGER, 10**40])
    return record, Commit(
        id=record.id,
        now=NOW + draw(st.sampled_from([0, 1, MINUTE - 1, MINUTE, 4 * MINUTE, 35 * MINUTE])),
        changes=changes,
        increments=draw(st.dictionaries(KEYS, by, max_size=2)),
        seen_at=draw(st.sampled_from([None, NOW - 1, NOW + 1, NOW + MINUTE])),
        secrets=draw(st.none() | st.tuples(st.sampled_from(SECRETS), st.sampled_from(SECRETS))),
        max_bytes=draw(st.sampled_from([2, 10, 20, 30, 40, 32768])),
    )


def both(store: Store, record: Record, make: Any) -> tuple[list[Any], list[Record | None]]:
    """What each store answers to the same, and what it holds then."""
    answers: list[Any] = []
    held = []
    for one in (store, MemoryStore()):
        one.create(Create(record=record, now=NOW, began_at=NOW))
        try:
            answers.append(make(one))
        except DataTooLarge as error:
            answers.append((error.size, error.limit))
        held.append(one.get(record.id))
    return answers, held


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(commits())
def test_a_commit_is_judged_and_made_alike(store: Store, drawn: tuple[Record, Commit]) -> None:
    record, commit = drawn
    record = replace(record, id=make_record(record.user_id).id)
    commit = replace(commit, id=record.id)
    answers, held = both(store, record, lambda one: one.commit(commit))

    assert answers[0] == answers[1]
    assert held[0] == held[1]


REASONS = st.sampled_from(["logout", "revoked", "idle_timeout", "absolute_timeout"])


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(records, REASONS, st.sampled_from([NOW, NOW + MINUTE, NOW + 3 * MINUTE, NOW + 70 * MINUTE]))
@example(make_record("ada"), "idle_timeout", NOW + 30 * MINUTE)
def test_an_end_is_judged_and_made_alike(store: Store, record: Record, reason: Any, now: int) -> None:
    record = replace(record, id=make_record(record.user_id).id)
    answers, held = both(store, record, lambda one: one.end(End(record.id, reason, now)))

    assert answers[0] == answers[1]
    assert held[0] == held[1]
