"""PostgreSQL away, late, or back: nothing that was acknowledged is lost, and nobody waits for ever."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from msgspec.structs import replace
from psycopg_pool import AsyncConnectionPool, ConnectionPool

from sojourn import ConfigurationError, SessionExists, StoreUnavailable
from sojourn.core.record import Record
from sojourn.core.store import Applied, Create, End, Ends, Store
from sojourn.stores.postgres import AsyncPostgresStore, PostgresStore, migrate
from sojourn.stores.postgres.store import Durability
from sojourn.testing import blocking
from sojourn.testing.records import NOW, change, commit, live, make_record, put
from tests.servers.postgres import PostgresServer, start_postgres
from tests.servers.proxy import Proxy
from tests.servers.waiting import wait_until

SHORT = 0.4


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """One that may be killed."""
    with start_postgres(tmp_path_factory.mktemp("postgres-to-kill")) as started:
        migrate(started.conninfo)
        yield started


def open_store(kind: str, conninfo: str, timeout: float = 5.0, durability: Durability = "all") -> Store:
    if kind:
        return blocking(AsyncPostgresStore(conninfo, timeout=timeout, durability=durability))
    return PostgresStore(conninfo, timeout=timeout, durability=durability)


@contextmanager
def no_standby(server: PostgresServer) -> Iterator[None]:
    """Nothing is acknowledged that waits for the disk: it waits for a standby's too, and there is none."""

    def waits() -> bool:
        told: list[object] = []
        with psycopg.connect(server.conninfo, autocommit=True) as connection:
            connection.add_notice_handler(told.append)
            cancel = threading.Timer(0.1, connection.cancel_safe)
            cancel.start()
            connection.execute("SELECT pg_logical_emit_message(true, '', '')")
            cancel.join()
        return bool(told)

    def wait_for_standby(name: str) -> None:
        with psycopg.connect(server.conninfo, autocommit=True) as connection:
            connection.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{name}'")
            connection.execute("SELECT pg_reload_conf()")
        wait_until(lambda: waits() == bool(name), "the setting to hold")

    wait_for_standby("nobody")
    try:
        yield
    finally:
        wait_for_standby("")


def _waiting(connection: psycopg.Connection) -> int:
    """How many statements wait for a lock."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    [(found,)] = connection.execute(query).fetchall()
    return int(found)


both = pytest.mark.parametrize("kind", ["", "async"])


class Storm:
    """Threads that add to a counter each, and remember what was acknowledged."""

    def __init__(self, store: Store, record: Record, threads: int = 4) -> None:
        self.store, self.record = store, record
        self.acknowledged, self.unsure, self.errors = [0] * threads, [0] * threads, set[str]()
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(n,)) for n in range(threads)]
        for thread in self._threads:
            thread.start()

    def _run(self, n: int) -> None:
        while not self._over.is_set():
            try:
                answer = self.store.commit(commit(self.record, increments={f"n{n}": 1}))
            except StoreUnavailable as error:
                self.unsure[n] += 1
                self.errors.add(str(error))
            else:
                assert isinstance(answer, Applied)
                self.acknowledged[n] += 1

    def wait_for_more(self) -> None:
        """Until each has been acknowledged something new."""
        before = list(self.acknowledged)
        wait_until(lambda: all(now > was for now, was in zip(self.acknowledged, before, strict=True)), "new writes")

    def end(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()


@both
def test_a_server_that_is_killed_in_a_storm_loses_no_acknowledged_write(server: PostgresServer, kind: str) -> None:
    store = open_store(kind, server.conninfo)
    storm = Storm(store, put(store))
    try:
        for _ in range(2):
            storm.wait_for_more()
            server.kill()
            server.restart()
            storm.wait_for_more()
    finally:
        storm.end()

    data = live(store, storm.record.id).data
    for n, (sure, unsure) in enumerate(zip(storm.acknowledged, storm.unsure, strict=True)):
        assert sure <= int(data[f"n{n}"]) <= sure + unsure
    assert storm.errors <= {"The connection to PostgreSQL was lost. A write may have been made or not."}
    store.close()


@both
def test_changes_that_were_made_together_are_not_lost_either_once_acknowledged(
    server: PostgresServer, kind: str
) -> None:
    """They are told of before they are on disk, and answered after."""
    store = open_store(kind, server.conninfo)
    records = [put(store, data={"n": b"0"}) for _ in range(12)]
    over, acknowledged = threading.Event(), [0] * len(records)

    def count_up(which: int) -> None:
        known, value = 0, 0
        while not over.is_set():
            value += 1
            changes = {"n": change(b"%d" % known, b"%d" % value)}
            try:
                answer = store.commit(commit(records[which], changes=changes))
            except StoreUnavailable:
                continue
            if isinstance(answer, Applied):
                known = acknowledged[which] = value
            else:
                assert answer.record is not None
                known = int(answer.record.data["n"])
                assert known >= acknowledged[which]

    with ThreadPoolExecutor(len(records)) as threads:
        writing = [threads.submit(count_up, which) for which in range(len(records))]
        try:
            for _ in range(3):
                before = sum(acknowledged)
                wait_until(lambda: sum(acknowledged) > before + 200, "new writes")  # noqa: B023  # called at once
                server.kill()
                server.restart()
        finally:
            over.set()
    for each in writing:
        each.result()
    kept = [int(live(store, record.id).data["n"]) for record in records]
    assert all(found >= sure for found, sure in zip(kept, acknowledged, strict=True))
    store.close()


@both
def test_after_a_restart_even_the_first_write_is_made(server: PostgresServer, kind: str) -> None:
    """Connections that the server closed meanwhile are not used to find that out."""
    store = open_store(kind, server.conninfo)
    record = put(store)
    server.restart()

    assert store.commit(commit(record, increments={"n": 1})) == Applied(2)
    store.close()


@both
def test_a_read_that_is_cut_off_is_made_again(server: PostgresServer, kind: str) -> None:
    store = open_store(kind, server.conninfo)
    record = put(store)
    reads, over = [0], threading.Event()

    def read() -> None:
        while not over.is_set():
            assert store.get(record.id) == record
            reads[0] += 1

    reader = threading.Thread(target=read)
    reader.start()
    with psycopg.connect(server.conninfo, autocommit=True) as connection:
        for _ in range(10):
            before = reads[0]
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'sojourn' AND backend_type = 'client backend'"
            )
            wait_until(lambda before=before: reads[0] > before + 20, "more reads")  # type: ignore[misc]
    over.set()
    reader.join()
    store.close()


@both
def test_a_server_that_hangs_is_waited_for_so_long_and_no_longer(server: PostgresServer, kind: str) -> None:
    with Proxy(server.port) as network:
        store = open_store(kind, server.conninfo.replace(str(server.port), str(network.port)), SHORT)
        record = put(store)
        network.pause()
        began = time.monotonic()
        with pytest.raises(StoreUnavailable, match="did not answer in time"):
            store.get(record.id)
        for _ in range(3):
            with pytest.raises(StoreUnavailable):
                store.get(record.id)
        assert time.monotonic() - began < 60
        network.resume()

        assert store.get(record.id) == record
        store.close()


@both
def test_a_write_that_waits_for_a_locked_row_is_given_up_and_called_back(server: PostgresServer, kind: str) -> None:
    store = open_store(kind, server.conninfo, SHORT)
    record = put(store, data={"a": b"1"})
    with psycopg.connect(server.conninfo) as other:
        other.execute("SELECT 1 FROM sojourn_session WHERE id = %s FOR UPDATE", (record.id,))
        for write in (commit(record, changes={"a": change(b"1", b"2")}), commit(record, seen_at=NOW + 1)):
            with pytest.raises(StoreUnavailable, match="in time"):
                store.commit(write)
        with pytest.raises(StoreUnavailable, match="in time"):
            store.create(Create(record=make_record(), now=NOW, began_at=NOW, ends=Ends(record.id, "replaced", None)))
        wait_until(lambda: _waiting(other) == 0, "the server to drop them")
    assert store.get(record.id) == record
    store.close()


@both
def test_an_end_that_no_standby_has_is_confirmed_then_or_not_at_all(server: PostgresServer, kind: str) -> None:
    """The first call was told nothing in time, and the second finds it made."""
    store = open_store(kind, server.conninfo, SHORT)
    record = put(store)
    with no_standby(server):
        for _ in range(2):
            with pytest.raises(StoreUnavailable, match="may have been made or not"):
                store.end(End(record.id, "logout", NOW + 1))
    assert store.end(End(record.id, "logout", NOW + 1)) is None
    assert live(store, record.id).end_reason == "logout"
    store.close()


@both
@pytest.mark.parametrize("durability", ["all", "ends"])
def test_what_waits_for_the_disk_is_as_it_was_said(server: PostgresServer, kind: str, durability: Durability) -> None:
    """Changes by durability=; log-ins, ends and renewed secrets always; activity never."""
    store = open_store(kind, server.conninfo, SHORT, durability)
    records = [put(store, data={"n": b"1"}) for _ in range(8)]
    renewed = replace(records[3].secrets, rotated_at=NOW)
    changes = [lambda: store.commit(commit(records[0], increments={"m": 1})), lambda: change_all(records[:2])]
    with_secrets = [
        lambda: store.commit(commit(records[3], secrets=(records[3].secrets, renewed))),
        lambda: store.commit(
            commit(records[4], changes={"n": change(b"1", b"2")}, secrets=(records[4].secrets, renewed))
        ),
    ]
    log_in_and_out = [
        lambda: put(store, "ada"),
        lambda: store.end(End(records[5].id, "logout", NOW)),
        lambda: store.end_all("ada", "revoked", NOW),
    ]

    def change_all(records: Sequence[Record]) -> None:
        with ThreadPoolExecutor(len(records)) as threads:
            list(threads.map(store.commit, [commit(each, changes={"n": change(b"1", b"2")}) for each in records]))

    with no_standby(server):
        store.commit(commit(records[6], seen_at=NOW + 1))
        for write in (with_secrets + log_in_and_out) + (changes if durability == "all" else []):
            with pytest.raises(StoreUnavailable, match="may have been made or not"):
                write()
        if durability == "ends":
            change_all(records[:2])
            change_all([records[7]])
            assert isinstance(store.commit(commit(records[0], increments={"m": 1})), Applied)
    store.close()


def test_a_durability_that_is_none_is_told_with_those_that_are() -> None:
    for kind in (PostgresStore, AsyncPostgresStore):
        with pytest.raises(ConfigurationError, match=r'takes "all".*or "ends"'):
            kind("postgresql://localhost/none", durability="some")  # type: ignore[arg-type]


def test_no_connection_left_is_an_error_that_says_so(database: str) -> None:
    store = PostgresStore(database, max_connections=1, timeout=SHORT)
    record = put(store)
    with psycopg.connect(database) as other:
        other.execute("LOCK TABLE sojourn_session IN ACCESS EXCLUSIVE MODE")
        with ThreadPoolExecutor(2) as readers:
            first = readers.submit(store.get, record.id)
            wait_until(lambda: _waiting(other) == 1, "a read that waits")
            second = readers.submit(store.get, record.id)
            assert "in time" in str(first.exception(10))
            assert "in time" in str(second.exception(10)) or "nothing was asked" in str(second.exception())
    store.close()


def test_a_forked_child_has_connections_of_its_own(database: str, tmp_path: Path) -> None:
    """And leaves its parent's alone."""
    script = tmp_path / "forked.py"
    script.write_text(
        "import os, sys\n"
        "from sojourn.stores.postgres import PostgresStore\n"
        "from sojourn.testing.records import put\n"
        "store = PostgresStore(sys.argv[1])\n"
        "record = put(store, 'ada')\n"
        "if os.fork() == 0:\n"
        "    assert store.get(record.id) == record\n"
        "    store.close()\n"
        "    sys.exit(7)\n"
        "assert os.waitstatus_to_exitcode(os.wait()[1]) == 7\n"
        "assert store.get(record.id) == record\n"
        "store.close()\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", script, database], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_server_that_takes_no_writes_any_more_is_left(database: str) -> None:
    """A primary that another one has taken over from, say."""
    name = database.rpartition("/")[2]
    store = PostgresStore(database)
    record = put(store)

    def make_read_only(value: str) -> None:
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = {value}")

    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("SET default_transaction_read_only = off")
        make_read_only("on")
        connection.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE application_name = 'sojourn'"
        )
        with pytest.raises(StoreUnavailable, match=r"kept nothing of the write.*read-only"):
            store.commit(commit(record, increments={"n": 1}))
        connection.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
    assert store.commit(commit(record, increments={"n": 1})) == Applied(2)
    store.close()


def test_one_event_loop_after_another(database: str) -> None:
    store = AsyncPostgresStore(database)
    record = make_record()
    asyncio.run(_create(store, record))

    async def read() -> Record | None:
        try:
            return await store.get(record.id)
        finally:
            await store.close()

    assert asyncio.run(read()) == record
    assert asyncio.run(read()) == record


async def _create(store: AsyncPostgresStore, record: Record) -> None:
    await store.create(Create(record=record, now=NOW, began_at=NOW))


@pytest.mark.parametrize("kind", [PostgresStore, AsyncPostgresStore])
def test_what_is_no_way_to_a_database_is_refused(database: str, kind: Any) -> None:
    other = AsyncConnectionPool if kind is PostgresStore else ConnectionPool
    with pytest.raises(ConfigurationError, match=other.__name__):
        kind(other(database, open=False))
    with pytest.raises(ConfigurationError, match="max_connections=0"):
        kind(database, max_connections=0)


def test_what_the_server_tells_of_a_row_is_not_passed_on(database: str) -> None:
    """The server's details quote it."""
    store = PostgresStore(database)
    record = put(store)
    with pytest.raises(SessionExists) as caught:
        store.create(Create(record=record, now=NOW, began_at=NOW))
    assert record.id not in str(caught.value)
    with pytest.raises(StoreUnavailable, match="SQLSTATE 22003") as refused:
        put(store, seen_at=2**70)
    assert str(2**70) not in str(refused.value)
    store.close()
