"""The table: what is kept comes back byte for byte, a touch writes no index, a clean-up finds what is over."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import psycopg
import pytest

from sojourn.core.cleanup import LEAST_ROWS
from sojourn.core.store import Applied, Create, End, Ends, Limit
from sojourn.stores.postgres import PostgresStore, operations
from sojourn.stores.postgres import statements as sql
from sojourn.stores.postgres.statement import Statement, Steps
from sojourn.testing.records import HOUR, MINUTE, NOW, change, commit, live, make_record, put
from tests.servers.waiting import wait_until


@pytest.fixture
def store(database: str) -> Iterator[PostgresStore]:
    made = PostgresStore(database)
    yield made
    made.close()


def rows(database: str, query: str) -> list[Any]:
    with psycopg.connect(database, autocommit=True) as connection:
        return connection.execute(query).fetchall()


VALUES = [
    b"1.0",
    b"-0.0",
    b"1e400",
    b'"\\u0000"',
    b'"\\ud800"',
    b'{"b":1,"a":2,"b":3}',
    b"12345678901234567890.10",
    b'"\xc2\x85"',
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_value_comes_back_byte_for_byte(store: PostgresStore, value: bytes) -> None:
    """jsonb itself would change or refuse each of these."""
    record = put(store, data={"k": value})
    assert live(store, record.id).data == {"k": value}
    assert store.commit(commit(record, changes={"k": change(value, b"1"), "m": change(None, value)})) == Applied(2)
    assert live(store, record.id).data == {"k": b"1", "m": value}


@pytest.mark.parametrize("text", ["", "nul\0", "\\", "\\0000", "\\\\", "\x01\x7f", "🦊", "a'b\"c%s"])
def test_keys_users_and_ids_may_hold_any_text(store: PostgresStore, text: str) -> None:
    """PostgreSQL's text holds no NUL."""
    record = put(store, text, id="0" + text, data={text: b"1"})
    assert store.get("0" + text) == record
    assert store.list(text, NOW) == [record]
    assert store.commit(commit(record, increments={text: 1}, changes={text + "x": change(None, b"2")})) == Applied(2)
    assert live(store, "0" + text).data == {text: b"2", text + "x": b"2"}
    assert store.end_all(text, "logout", NOW) == ["0" + text]
    assert store.delete_expired(NOW + 1, 5) == 1


def test_what_cannot_be_is_not_there(store: PostgresStore) -> None:
    """An id from anywhere: half a character is no error."""
    assert store.get("\ud800") is None
    assert store.list("\ud800", NOW) == []
    assert store.end(End("\ud800", "revoked", NOW)) is None


def test_an_operator_reads_data_with_sql(store: PostgresStore, database: str) -> None:
    put(store, "ada", data={"cart": b'[{"sku":"x"}]'})
    found = rows(
        database, "SELECT (data ->> 'cart')::json -> 0 ->> 'sku', record ->> 'created_at' FROM sojourn_session"
    )
    assert found == [("x", str(NOW))]


def test_a_touch_writes_no_index(store: PostgresStore, database: str) -> None:
    records = [put(store, "ada", data={"k": json.dumps("x" * 400).encode()}) for _ in range(60)]
    for minute in range(1, 21):
        for record in records:
            store.commit(commit(record, seen_at=NOW + minute * MINUTE))
    store.close()  # so that PostgreSQL counts

    counted = "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'sojourn_session'"
    wait_until(lambda: rows(database, counted)[0][0] == 1200, "1,200 updates counted")
    require_no_index_written(rows(database, counted)[0])


def test_a_commit_of_data_writes_no_index_either(store: PostgresStore, database: str) -> None:
    record = put(store)
    for n in range(100):
        store.commit(
            commit(
                record,
                increments={"n": 1},
                changes={f"k{n % 5}": change(live(store, record.id).data.get(f"k{n % 5}"), b"1")},
            )
        )
    store.close()

    counted = "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'sojourn_session'"
    wait_until(lambda: rows(database, counted)[0][0] == 100, "100 updates counted")
    require_no_index_written(rows(database, counted)[0])


def require_no_index_written(counted: tuple[int, int]) -> None:
    """Of updates that write an index none is HOT. One that writes none is but where its page is full just then."""
    updates, hot = counted
    assert hot >= 0.9 * updates


# What is asked often


def prepared() -> Steps[list[str]]:
    """The first words of the statements that a connection has prepared."""
    [found] = yield [Statement("SELECT statement FROM pg_catalog.pg_prepared_statements")]
    return sorted(statement.split()[0] for (statement,) in found)


def test_what_is_asked_often_is_prepared_and_a_migration_may_come_between(database: str) -> None:
    """But not what looks at many rows: a plan for every limit may be a bad one."""
    store = PostgresStore(database, max_connections=1)
    record = put(store, "ada")
    for number in range(20):
        changes = {"n": change(b"%d" % (number - 1) if number else None, b"%d" % number)}
        assert isinstance(store.commit(commit(record, changes=changes)), Applied)
        assert live(store, record.id).data["n"] == b"%d" % number
        assert store.list("ada", NOW)
        assert store.scan("", 9)
        assert store.delete_expired(NOW, 9) == 0
        if number == 10:
            assert store._run(prepared) == ["SELECT", "UPDATE"]
            with psycopg.connect(database) as connection:
                connection.execute("ALTER TABLE sojourn_session ADD COLUMN later text")
    store.close()


# Clean-up

DUE = "SELECT count(*) FROM sojourn_session WHERE sweep_at < "


def test_a_clean_up_puts_the_live_off_and_looks_at_them_once(
    store: PostgresStore, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many of them stand before the dead ones."""
    monkeypatch.setattr(operations, "LEAST_ROWS", 5)
    seen = [put(store, "ada") for _ in range(13)]
    for record in seen:
        store.commit(commit(record, seen_at=NOW + 20 * MINUTE))
    dead = [put(store, idle_timeout=31 * MINUTE) for _ in range(8)]
    before = NOW + 40 * MINUTE

    assert rows(database, f"{DUE} {before}") == [(21,)]
    assert [store.delete_expired(before, 6) for _ in range(3)] == [6, 2, 0]
    assert rows(database, f"{DUE} {before}") == [(0,)]
    assert {record.id for record in store.scan("", 99)} == {record.id for record in seen}
    assert all(store.get(record.id) is None for record in dead)
    assert store.delete_expired(NOW + HOUR, 99) == 13


SLOW = """
CREATE TABLE batch (rows int);
CREATE FUNCTION wait_for_each() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM pg_sleep(0.001); RETURN OLD; END$$;
CREATE FUNCTION note_all() RETURNS trigger LANGUAGE plpgsql AS
    $$BEGIN INSERT INTO public.batch SELECT count(*) FROM gone HAVING count(*) > 0; RETURN NULL; END$$;
CREATE TRIGGER slow BEFORE DELETE ON sojourn_session FOR EACH ROW EXECUTE FUNCTION wait_for_each();
CREATE TRIGGER noted AFTER DELETE ON sojourn_session REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION note_all();
"""


def test_a_clean_up_holds_no_more_rows_where_they_take_long(store: PostgresStore, database: str) -> None:
    for _ in range(2 * LEAST_ROWS + 1):
        put(store)
    with psycopg.connect(database) as connection:
        connection.execute(SLOW)

    assert store.delete_expired(NOW + HOUR, 200) == 2 * LEAST_ROWS + 1
    assert rows(database, "SELECT rows FROM batch") == [(LEAST_ROWS,), (LEAST_ROWS,), (1,)]


def test_two_clean_ups_share_the_work(store: PostgresStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations, "LEAST_ROWS", 7)
    for _ in range(60):
        put(store)
    with ThreadPoolExecutor(4) as pool:
        deleted = list(pool.map(lambda _: store.delete_expired(NOW + HOUR, 20), range(4)))

    assert sum(deleted) + store.delete_expired(NOW + HOUR, 99) == 60
    assert store.scan("", 99) == []


def test_a_clean_up_passes_over_a_row_that_is_being_written(store: PostgresStore, database: str) -> None:
    held, free = put(store), put(store)
    with psycopg.connect(database) as connection:
        connection.execute("SELECT 1 FROM sojourn_session WHERE id = %s FOR UPDATE", (held.id,))
        assert store.delete_expired(NOW + HOUR, 99) == 1
    assert store.get(free.id) is None
    assert store.delete_expired(NOW + HOUR, 99) == 1


# Several at once


@pytest.mark.parametrize("limit", [None, Limit(5, end_oldest=True)], ids=["", "capped"])
def test_a_revoke_all_is_not_escaped_by_a_new_id(store: PostgresStore, limit: Limit | None) -> None:
    """Either it ends the new session, or it ended the old one and the new one is refused."""
    for n in range(30):
        before = put(store, f"user{n}")
        user = f"user{n}"
        create = Create(
            record=make_record(user), now=NOW, began_at=NOW, ends=Ends(before.id, "replaced", None), limit=limit
        )
        calls = [partial(store.create, create), partial(store.end_all, user, "revoked", NOW)]
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda call: call(), calls if n % 2 else calls[::-1]))
        assert store.list(user, NOW + 1) == []


def test_a_log_in_that_stalls_holds_nobody_up_for_long(store: PostgresStore, database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        for statement in (sql.BEGIN, sql.LIMIT_PAUSES):
            connection.execute(statement.sql)
        assert connection.execute("SHOW idle_in_transaction_session_timeout").fetchone() == ("5s",)
        connection.execute("COMMIT")
        assert connection.execute("SHOW idle_in_transaction_session_timeout").fetchone() == ("0",)


def test_logins_that_replace_each_others_sessions_do_not_lock_each_other_out(store: PostgresStore) -> None:
    for _ in range(15):
        ada, bob = put(store, "ada"), put(store, "bob")
        creates = [
            Create(
                record=make_record(user),
                now=NOW,
                began_at=NOW,
                ends=Ends(other.id, "replaced", None),
                limit=Limit(2, True),
            )
            for user, other in (("ada", bob), ("bob", ada), ("ada", ada), ("bob", bob))
        ]
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(store.create, creates))
        assert any(isinstance(answer, Applied) for answer in answers)
        for user in ("ada", "bob"):
            assert len(store.list(user, NOW + 1)) <= 2
