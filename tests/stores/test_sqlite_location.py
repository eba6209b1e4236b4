"""Session files in places that are not as they should be: read-only, a link's, somebody else's."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sojourn import ConfigurationError, SessionManager
from sojourn.core.store import Applied, Store
from sojourn.stores.sqlite import AsyncSQLiteStore, SQLiteStore
from sojourn.stores.sqlite.location import require_trusted
from sojourn.testing import blocking
from sojourn.testing.records import commit, put
from tests.servers.apart import environment, read_only

NAME = "sessions.sqlite3"
both = pytest.mark.parametrize("kind", ["", "async"])


def opened(kind: str, path: Path) -> Store:
    return blocking(AsyncSQLiteStore(path)) if kind else SQLiteStore(path)


# A file system that takes no writes


@pytest.fixture(params=["closed", "in use"])
def snapshot(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A folder with a file in it as a snapshot of its disk has it, with two sessions, one of them ended."""
    path = tmp_path / "disk" / NAME
    path.parent.mkdir()
    store = SQLiteStore(path)
    live, ended = put(store, "ada"), put(store, "ada")
    SessionManager(store, clock=lambda: live.created_at).revoke(ended.id)
    if request.param == "closed":
        store.close()
        yield path.parent
        return
    assert path.with_name(f"{NAME}-wal").stat().st_size, "all of it is in the log"
    copy = tmp_path / "snapshot"
    shutil.copytree(path.parent, copy)
    yield copy
    store.close()


def run(folder: Path, *words: str) -> tuple[int, Any, str]:
    done = subprocess.run(
        read_only(folder, [sys.executable, "-m", *words]),
        cwd=Path(__file__).parents[2],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, json.loads(done.stdout) if done.stdout else None, done.stderr


def test_a_snapshot_is_listed_shown_and_counted(snapshot: Path) -> None:
    store = f"sqlite:///{snapshot / NAME}"
    before = sorted(path.name for path in snapshot.iterdir())

    code, listed, _ = run(snapshot, "sojourn", "list", "--all", "--json", "--store", store)
    assert (code, len(listed["sessions"])) == (0, 2)
    code, shown, _ = run(snapshot, "sojourn", "show", listed["sessions"][0]["id"], "--json", "--store", store)
    assert (code, shown["session"]["user_id"]) == (0, "ada")
    code, counted, _ = run(snapshot, "sojourn", "stats", "--json", "--store", store)
    assert (code, counted["users"] + counted["ended"] + counted["expired"]) == (0, 2)
    assert sorted(path.name for path in snapshot.iterdir()) == before


def test_nothing_in_it_can_be_revoked_and_that_is_said(snapshot: Path) -> None:
    store = f"sqlite:///{snapshot / NAME}"
    code, _, told = run(snapshot, "sojourn", "revoke", "--user", "ada", "--store", store)

    assert code == 3
    assert "readonly database" in told


@pytest.mark.parametrize("snapshot", ["in use"], indirect=True)
def test_a_log_without_its_index_is_told_with_what_to_do(snapshot: Path) -> None:
    (snapshot / f"{NAME}-shm").unlink()
    code, _, told = run(snapshot, "sojourn", "list", "--store", f"sqlite:///{snapshot / NAME}")

    assert code == 2
    assert "Copy both" in told


_SERVED = """
import sys
from sojourn import StoreUnavailable
from sojourn.stores.sqlite import AsyncSQLiteStore, SQLiteStore
from sojourn.testing import blocking
from sojourn.testing.records import change, commit, NOW

store = blocking(AsyncSQLiteStore(sys.argv[2])) if sys.argv[1] else SQLiteStore(sys.argv[2])
[record] = store.list("ada", NOW)
assert store.get(record.id) == record
try:
    store.commit(commit(record, changes={"a": change(None, b"1")}))
except StoreUnavailable as error:
    sys.stdout.write('"refused"')
store.close()
"""


@both
def test_an_application_reads_it_and_its_writes_are_refused(kind: str, snapshot: Path, tmp_path: Path) -> None:
    script = tmp_path / "served.py"
    script.write_text(_SERVED)
    done = subprocess.run(
        read_only(snapshot, [sys.executable, str(script), kind, str(snapshot / NAME)]),
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.stdout, done.stderr) == ('"refused"', "")


def test_a_file_without_sessions_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / NAME).touch()
    script = f"from sojourn.stores.sqlite import SQLiteStore; SQLiteStore({str(tmp_path / NAME)!r})"
    done = subprocess.run(
        read_only(tmp_path, [sys.executable, "-c", script]),
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert "has no sessions in it, and cannot be written" in done.stderr


# Links, and other people's files


@both
def test_a_symbolic_link_is_refused(kind: str, tmp_path: Path) -> None:
    SQLiteStore(tmp_path / NAME).close()
    (tmp_path / "link").symlink_to(tmp_path / NAME)

    with pytest.raises(ConfigurationError, match=f"symbolic link.*{NAME}"):
        opened(kind, tmp_path / "link")


@both
def test_a_link_to_its_folder_is_none_of_ours_to_judge(kind: str, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "data")
    store = opened(kind, tmp_path / "link" / NAME)
    record = put(store)

    assert store.get(record.id) == record
    store.close()


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a file somebody else's")


@needs_root
def test_root_opens_the_files_of_others_but_not_where_anybody_can_put_one(tmp_path: Path) -> None:
    path = tmp_path / NAME
    SQLiteStore(path).close()
    os.chown(path, 12345, -1)
    require_trusted(path)
    tmp_path.chmod(0o1777)

    with pytest.raises(ConfigurationError, match=r"belongs to another user.*12345"):
        SQLiteStore(path)


@needs_root
def test_who_is_not_root_opens_no_file_of_another_user(tmp_path: Path) -> None:
    path = tmp_path / NAME
    SQLiteStore(path).close()
    path.chmod(0o666)
    for folder in (tmp_path, *tmp_path.parents[:-1]):
        folder.chmod(folder.stat().st_mode | 0o011)
    pid = os.fork()
    if pid == 0:
        os.setuid(12345)
        try:
            SQLiteStore(path)
        except ConfigurationError as error:
            os._exit(7 if "belongs to another user (number 0)" in str(error) else 1)
        os._exit(0)

    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7


# Room


def test_room_is_given_back_where_that_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / NAME
    store = SQLiteStore(path)
    records = [put(store, data={"a": b'"%s"' % (b"x" * 2000)}) for _ in range(500)]
    while store.delete_expired(records[0].absolute_expires_at + 1, 1000):
        pass
    store.close()
    before = path.stat().st_size
    store = SQLiteStore(path)
    kept = put(store)
    store._file.vacuum()
    assert store.get(kept.id) == kept
    assert store.commit(commit(kept, increments={"n": 1})) == Applied(2)
    store.close()

    assert path.stat().st_size < before / 10
