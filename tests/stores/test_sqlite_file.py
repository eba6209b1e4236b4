"""The session file: shared by processes, refused where it is not ours, private to its owner."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import stat
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

from sojourn import ConfigurationError, SessionManager, StoreUnavailable
from sojourn.core.cleanup import LEAST_ROWS
from sojourn.stores.sqlite import SQLiteStore
from sojourn.testing import StoreContract
from sojourn.testing.records import HOUR, NOW, put

OPEN = "import sys; from sojourn import *; manager = SessionManager(open_store('sqlite:///' + sys.argv[1]));"
READER = OPEN + "manager.scan(); manager.close()"
STARTER = OPEN + "session = manager.anonymous(); session.start(); manager.commit(session)"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sessions.sqlite3"


def test_a_second_store_on_a_file_leaves_the_firsts_locks_alone(path: Path) -> None:
    """POSIX drops a process's locks with any descriptor of the file; the next to leave would delete the log."""
    first = SessionManager(SQLiteStore(path))
    session = first.anonymous()
    session["n"] = 1
    first.commit(session)
    second = SessionManager(SQLiteStore(path))
    subprocess.run([sys.executable, "-c", READER, str(path)], check=True)

    assert path.with_name("sessions.sqlite3-wal").exists()
    first.close()
    second.close()


def test_processes_that_start_together_share_a_new_file(path: Path) -> None:
    starters = [subprocess.Popen([sys.executable, "-c", STARTER, str(path)]) for _ in range(6)]

    assert [starter.wait(30) for starter in starters] == [0] * 6
    assert len(SessionManager(SQLiteStore(path)).scan()) == 6


def test_only_its_owner_may_read_the_file(path: Path) -> None:
    store = SQLiteStore(path)
    manager = SessionManager(store)
    session = manager.anonymous()
    session.start()
    manager.commit(session)

    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    store.close()


def test_another_programs_database_is_refused_and_untouched(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE precious (n)")
    before = hashlib.sha256(path.read_bytes()).digest()
    with pytest.raises(ConfigurationError, match="another program"):
        SQLiteStore(path)

    assert hashlib.sha256(path.read_bytes()).digest() == before


def test_what_is_no_database_is_refused(tmp_path: Path, path: Path) -> None:
    path.write_text("Dear diary, " * 100)
    with pytest.raises(ConfigurationError, match="not a database"):
        SQLiteStore(path)
    with pytest.raises(ConfigurationError, match="cannot be opened"):
        SQLiteStore(tmp_path)
    with pytest.raises(ConfigurationError, match="does not exist"):
        SQLiteStore(tmp_path / "nowhere" / "sessions.sqlite3")


def test_a_file_of_a_newer_sojourn_is_refused(path: Path) -> None:
    SQLiteStore(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(ConfigurationError, match="needs one that knows format 99, and this one knows 2") as raised:
        SQLiteStore(path)
    assert "newer Sojourn" in str(raised.value)


# What a later Sojourn may do: add first; and take away once no code that is in use looks at it any more.
EXPAND = """
ALTER TABLE session ADD COLUMN label TEXT NOT NULL DEFAULT '';
ALTER TABLE bar ADD COLUMN why TEXT;
ALTER TABLE mark ADD COLUMN label TEXT;
CREATE INDEX session_label ON session (label);
INSERT INTO sojourn_migration (number, name, needs) VALUES (3, 'labels', 2);
PRAGMA user_version = 3;
"""
CONTRACT = """
ALTER TABLE session RENAME COLUMN expires_at TO over_at;
INSERT INTO sojourn_migration (number, name, needs) VALUES (4, 'over_at', 3);
PRAGMA user_version = 4;
"""


class TestAnExpandedFile(StoreContract):
    """Code that does not know the newest format keeps every promise of a store."""

    @pytest.fixture(autouse=True)
    def _open(self, path: Path) -> None:
        SQLiteStore(path).close()
        with closing(sqlite3.connect(path)) as connection:
            connection.executescript(EXPAND)
        self.store = SQLiteStore(path)

    def setup_method(self) -> None:
        """The fixture opens it."""


def test_a_file_is_expanded_under_an_older_sojourn_and_refused_once_it_is_contracted(path: Path) -> None:
    store = SQLiteStore(path)
    record = put(store, "ada")
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(EXPAND)
        both = put(store, "ada")
        again = SQLiteStore(path)
        assert {found.id for found in again.list("ada", record.created_at)} == {record.id, both.id}
        store.close()
        again.close()
        connection.executescript(CONTRACT)

    with pytest.raises(ConfigurationError, match="format 4, which needs one that knows format 3, and this one knows 2"):
        SQLiteStore(path)


def test_a_locked_file_is_unavailable(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sojourn.stores.sqlite.file.WRITE_TIMEOUT", 0.05)
    manager = SessionManager(SQLiteStore(path))
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    session = manager.anonymous()
    session.start()
    with pytest.raises(StoreUnavailable, match="locked"):
        manager.commit(session)
    other.execute("ROLLBACK")

    assert manager.commit(session).token is not None
    manager.close()


def test_a_store_goes_on_in_a_forked_child_and_in_its_parent(path: Path) -> None:
    manager = SessionManager(SQLiteStore(path))
    session = manager.anonymous()
    session["n"] = 0
    token = manager.commit(session).token
    assert token is not None
    child = os.fork()
    for _ in range(50):
        session = manager.open(token.reveal())
        session.increment("n")
        manager.commit(session)
    if child == 0:
        os._exit(0)
    _, status = os.waitpid(child, 0)

    assert status == 0
    assert manager.open(token.reveal())["n"] == 100
    manager.close()


def test_a_forked_child_closes_no_connection_of_a_thread_of_its_parent(path: Path) -> None:
    """The fork takes the thread from the child; what it had opened is still the parent's."""
    manager = SessionManager(SQLiteStore(path))
    session = manager.anonymous()
    session.start()
    token = manager.commit(session).token
    assert token is not None
    read, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        manager.open(token.reveal())
        read.set()
        go_on.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    read.wait()
    before = len(list(Path("/proc/self/fd").iterdir()))
    child = os.fork()
    if child == 0:
        kept = len(list(Path("/proc/self/fd").iterdir())) == before
        os._exit(0 if kept and manager.open(token.reveal()).status == "active" else 1)
    _, status = os.waitpid(child, 0)
    go_on.set()
    thread.join()

    assert status == 0
    assert manager.open(token.reveal()).status == "active"
    manager.close()


def test_a_thread_that_ends_leaves_no_connection_open(path: Path) -> None:
    """Some servers make a thread for every request."""
    manager = SessionManager(SQLiteStore(path))
    session = manager.anonymous()
    session.start()
    token = manager.commit(session).token
    assert token is not None
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(50):
        thread = threading.Thread(target=manager.open, args=(token.reveal(),))
        thread.start()
        thread.join()

    assert len(list(Path("/proc/self/fd").iterdir())) <= before + 3
    manager.close()
    assert sorted(file.name for file in path.parent.iterdir()) == ["sessions.sqlite3"]


def test_a_relative_path_stays_the_same_file_after_chdir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    manager = SessionManager(SQLiteStore("here.sqlite3"))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    session = manager.anonymous()
    session.start()
    manager.commit(session)

    assert not (tmp_path / "elsewhere" / "here.sqlite3").exists()
    manager.close()


@pytest.mark.parametrize("work", ["delete", "end"])
def test_a_clean_up_lets_others_write_where_its_rows_take_long(path: Path, work: str) -> None:
    """Each row takes more than a batch may: then one has the fewest rows that it can."""
    store = SQLiteStore(path)
    for _ in range(2 * LEAST_ROWS + 1):
        put(store)
    with closing(sqlite3.connect(path)) as connection:
        slow = "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 20000) SELECT max(n) FROM n"
        connection.execute(f"CREATE TRIGGER slow AFTER DELETE ON session BEGIN {slow}; END")
        connection.execute(f"CREATE TRIGGER slow_too AFTER UPDATE ON session BEGIN {slow}; END")

    step = store.delete_expired if work == "delete" else store.end_expired
    assert [step(NOW + HOUR, 200) for _ in range(4)] == [LEAST_ROWS, LEAST_ROWS, 1, 0]
    store.close()
