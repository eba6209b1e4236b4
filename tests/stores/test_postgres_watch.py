"""Watch: every write by whomever is reported, in order, and silence is never taken for quiet."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import pytest
from psycopg_pool import ConnectionPool

from sojourn import ConfigurationError
from sojourn.core.store import End, Watcher
from sojourn.stores.postgres import AsyncPostgresStore, PostgresStore
from sojourn.stores.postgres.watch import _listen
from sojourn.testing.records import HOUR, MINUTE, NOW, change, commit, put
from tests.servers.postgres import PostgresServer
from tests.servers.proxy import Proxy
from tests.servers.waiting import wait_until
from tests.stores.recording_watcher import RecordingWatcher

INTERVAL = 0.05
CUT = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_notify%' AND pid <> pg_backend_pid()"
)


@contextmanager
def listening(database: str, kind: str = "") -> Iterator[RecordingWatcher]:
    """A watcher to which writes are reported already."""
    watcher = RecordingWatcher()
    store = AsyncPostgresStore(database) if kind else PostgresStore(database)
    thread = threading.Thread(target=store.watch, args=(watcher, INTERVAL))
    thread.start()
    try:
        watcher.wait_until_sound()
        yield watcher
    finally:
        watcher.closed = True
        thread.join(10)
        assert not thread.is_alive()


@pytest.fixture
def store(database: str) -> Iterator[PostgresStore]:
    made = PostgresStore(database)
    yield made
    made.close()


def wait_until_nobody_listens(connection: psycopg.Connection) -> None:
    query = (
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database "
        "WHERE datname = current_database())"
    )
    wait_until(lambda: connection.execute(query).fetchone() == (0,), "the listener's locks to go")


def operator(database: str, statement: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(statement)


both = pytest.mark.parametrize("kind", ["", "async"])


@both
def test_every_kind_of_write_is_told(database: str, store: PostgresStore, kind: str) -> None:
    with listening(database, kind) as watcher:
        record = put(store, "ada", data={"a": b"1"})
        writes: list[Callable[[], object]] = [
            lambda: store.commit(commit(record, seen_at=NOW + MINUTE)),
            lambda: store.commit(commit(record, changes={"a": change(b"1", b"2")})),
            lambda: store.commit(commit(record, increments={"n": 1})),
            lambda: operator(database, "UPDATE sojourn_session SET data = '{}'"),
            lambda: store.end(End(record.id, "logout", NOW + 2)),
            lambda: store.delete_expired(NOW + HOUR, 10),
        ]
        for write in writes:
            write()
            watcher.wait_until_sound()
            assert watcher.ids == [record.id]
            watcher.ids.clear()
        others = [put(store, "ada") for _ in range(3)]
        store.end_all("ada", "revoked", NOW)
        watcher.wait_until_sound()
        assert sorted(watcher.ids) == sorted(other.id for other in others)
        losses = watcher.losses
        operator(database, "TRUNCATE sojourn_session")
        watcher.wait_until_sound()
        assert watcher.losses == losses + 1


def test_any_text_may_be_an_id(database: str, store: PostgresStore) -> None:
    with listening(database) as watcher:
        for id in ("nul\0", "back\\slash", "*x", "🦊"):
            record = put(store, id=id)
            store.commit(commit(record, seen_at=NOW + 1))
        watcher.wait_until_sound()
        assert watcher.ids == ["nul\0", "back\\slash", "*x", "🦊"]


def test_a_clean_up_that_puts_the_live_off_tells_nobody(database: str, store: PostgresStore) -> None:
    record = put(store)
    store.commit(commit(record, seen_at=NOW + 20 * MINUTE))
    with listening(database) as watcher:
        assert store.delete_expired(NOW + 40 * MINUTE, 10) == 0
        watcher.wait_until_sound()
        assert watcher.ids == []


def test_nobody_is_notified_where_nobody_listens(database: str, store: PostgresStore) -> None:
    """A notification is a lock that all who write wait for."""
    record = put(store)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("LISTEN sojourn_session")  # without the locks of a listener
        store.commit(commit(record, seen_at=NOW + 1))
        assert list(connection.notifies(timeout=0.2)) == []
        with listening(database):
            store.commit(commit(record, seen_at=NOW + 2))
            assert [note.payload for note in connection.notifies(timeout=5, stop_after=1)] == [record.id]
        wait_until_nobody_listens(connection)
        store.commit(commit(record, seen_at=NOW + 3))
        assert list(connection.notifies(timeout=0.2)) == []


def test_who_begins_to_listen_waits_for_writes_that_tell_nobody(database: str, store: PostgresStore) -> None:
    """Else it would trust what it read before they were committed."""
    record = put(store)
    watcher = RecordingWatcher()
    with psycopg.connect(database) as earlier:
        earlier.execute("UPDATE sojourn_session SET ended_at = 1 WHERE id = %s", (record.id,))
        thread = threading.Thread(target=store.watch, args=(watcher, INTERVAL))
        thread.start()
        with psycopg.connect(database, autocommit=True) as other:
            query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'advisory'"
            wait_until(lambda: other.execute(query).fetchone() == (1,), "a listener that waits")
            # Whoever writes meanwhile does not wait, and tells.
            later = put(store)
            store.commit(commit(later, seen_at=NOW + 1))
        assert watcher.until == 0.0
        earlier.commit()
    watcher.wait_until_sound()
    assert watcher.ids in ([], [later.id])
    watcher.closed = True
    thread.join(10)


def test_writers_at_once_are_all_heard(database: str, store: PostgresStore) -> None:
    records = [put(store) for _ in range(60)]
    with listening(database) as watcher:
        threads = [
            threading.Thread(target=lambda mine: [store.commit(commit(r, seen_at=NOW + 1)) for r in mine], args=(part,))
            for part in (records[:20], records[20:40], records[40:])
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        watcher.wait_until_sound()
        assert sorted(watcher.ids) == sorted(record.id for record in records)


@both
def test_a_cut_is_a_loss_and_mended(
    database: str, store: PostgresStore, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    with listening(database, kind) as watcher:
        losses = watcher.losses
        operator(database, CUT)
        wait_until(lambda: watcher.losses >= losses + 2, "the loss, and another when it listens again")
        watcher.wait_until_sound()
        record = put(store)
        store.commit(commit(record, seen_at=NOW + 1))
        watcher.wait_until_sound()
        assert watcher.ids == [record.id]
    assert "tells of no writes any more" in caplog.text


@both
def test_silence_is_a_loss(postgres: PostgresServer, database: str, kind: str) -> None:
    """No socket is closed: only the beats do not come back."""
    with (
        Proxy(postgres.port) as network,
        listening(database.replace(str(postgres.port), str(network.port)), kind) as watcher,
    ):
        losses = watcher.losses
        network.pause()
        wait_until(lambda: watcher.losses > losses, "the loss")
        assert watcher.until == 0.0
        network.resume()
        watcher.wait_until_sound()


@both
def test_who_stops_listening_leaves_nothing_behind(database: str, kind: str) -> None:
    with listening(database, kind) as watcher:
        pass
    assert watcher.until == 0.0
    with psycopg.connect(database, autocommit=True) as connection:
        wait_until_nobody_listens(connection)


def test_a_pooler_is_refused(database: str) -> None:
    """It answers for another process than the one that it said it was."""
    watcher: Watcher = RecordingWatcher()
    steps = _listen(watcher, INTERVAL, 1234)
    assert next(steps) == ("SELECT pg_catalog.pg_backend_pid()", ())
    with pytest.raises(ConfigurationError, match=r"pooler.*listen_conninfo="):
        steps.send([(4321,)])


def test_behind_a_pool_it_needs_to_know_how_to_listen(database: str) -> None:
    with ConnectionPool(database, open=False) as pool:
        with pytest.raises(ConfigurationError, match="listen_conninfo="):
            PostgresStore(pool).watch(RecordingWatcher(), INTERVAL)
        store = PostgresStore(pool, listen_conninfo=database)
        watcher = RecordingWatcher()
        thread = threading.Thread(target=store.watch, args=(watcher, INTERVAL))
        thread.start()
        watcher.wait_until_sound()
        watcher.closed = True
        thread.join(10)
