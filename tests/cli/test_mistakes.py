"""What a person gets wrong is told in a line, with its mend, and never with a traceback."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.cli.conftest import Sessions
from tests.cli.program import Program
from tests.servers.port import find_port

STORE_COMMANDS = [["list"], ["show", "0" * 32], ["revoke", "0" * 32], ["cleanup"], ["stats"]]


@pytest.mark.parametrize("command", STORE_COMMANDS, ids=lambda words: words[0])
def test_a_missing_file_is_an_error_and_is_not_made(command: list[str], sojourn: Program) -> None:
    done = sojourn(*command, "--store", "sqlite:///sessions.db")
    assert (done.code, done.out) == (2, "")
    assert f"There is no session file {sojourn.folder / 'sessions.db'}" in done.err
    assert "--store sqlite:////path/to/sessions.db" in done.err
    assert not list(sojourn.folder.iterdir())


def test_three_slashes_for_an_absolute_path_are_mended(sessions: Sessions, sojourn: Program) -> None:
    done = sojourn("list", "--store", f"sqlite:///{str(sessions.path)[1:]}")
    assert done.code == 2
    assert f"--store sqlite:///{sessions.path}" in done.err


def test_a_path_without_a_scheme_is_mended(sojourn: Program) -> None:
    done = sojourn("list", "--store", "sessions.db")
    assert done.code == 2
    assert "write sqlite:///sessions.db" in done.err


def test_the_store_may_come_from_the_environment(sessions: Sessions, sojourn: Program) -> None:
    sessions.make("ada")
    assert sojourn("list", env={"SOJOURN_STORE": sessions.url}).code == 0
    done = sojourn("list")
    assert done.code == 2
    assert "SOJOURN_STORE" in done.err


def test_a_store_in_memory_cannot_be_seen(sojourn: Program) -> None:
    done = sojourn("list", "--store", "memory:")
    assert done.code == 2
    assert "inside the application's process" in done.err


def test_a_server_that_does_not_answer_is_told_without_its_password(sojourn: Program) -> None:
    at = f"user:hunter2@127.0.0.1:{find_port()}"
    urls = [
        f"postgresql://{at}/sessions",
        f"postgresql://{at}/sessions?sslmode=perhaps",
        "postgresql://user:hunter2@localhost:port/sessions",
        f"redis://{at}/0",
        f"rediss://{at}",
        f"redis+cluster://{at}",
        f"redis+sentinel://{at}/main",
        "unix://user:hunter2@/no/such.sock",
    ]
    # All at once: each is asked for some seconds before it is given up.
    with ThreadPoolExecutor(len(urls)) as threads:
        told = threads.map(lambda url: sojourn("list", env={"SOJOURN_STORE": url}), urls)
        for url, done in zip(urls, told, strict=True):
            assert (done.code, done.out) == (3, ""), (url, done.err)
            assert done.err.startswith("Error: ")
            assert "hunter2" not in done.err
            assert "Traceback" not in done.err


@pytest.mark.parametrize(
    "url",
    [
        "mysql://user:hunter2@host/0",
        "postgresql://user:hunter2@host/0?nonsense=1",
        "postgresql://user:hunter2@[host/0",
        "redis://user:hunter2@host:port/0",
        "redis://user:hunter2/@host/0",
        "redis://:hunter2?@host/0",
        "redis://user:hunter2@host/0?nonsense=1",
        "redis+cluster://user:hunter2@host:port",
        "redis+sentinel://user:hunter2@host:26379",
        "host=host password=hunter2",
    ],
)
def test_a_wrong_url_is_told_without_its_password(url: str, sojourn: Program) -> None:
    done = sojourn("list", env={"SOJOURN_STORE": url})
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("Error: ")
    assert "hunter2" not in done.err
    assert "Traceback" not in done.err


def test_a_file_of_another_program_is_refused(sojourn: Program) -> None:
    with sqlite3.connect(sojourn.folder / "other.db") as other:
        other.execute("CREATE TABLE mail (body TEXT)")
    other.close()
    done = sojourn("revoke", "--all", "--yes", "--store", "sqlite:///other.db")
    assert done.code == 2
    assert "another program" in done.err
    with sqlite3.connect(sojourn.folder / "other.db") as other:
        assert other.execute("SELECT name FROM sqlite_master").fetchall() == [("mail",)]
    other.close()


@pytest.mark.parametrize(
    ("content", "told"), [(b"", "is empty"), (b"Dear diary\n" * 500, "is no SQLite database")], ids=["empty", "text"]
)
def test_a_file_that_is_no_database_is_refused_and_left_alone(content: bytes, told: str, sojourn: Program) -> None:
    path = sojourn.folder / "notes"
    path.write_bytes(content)
    done = sojourn("list", "--store", "sqlite:///notes")
    assert done.code == 2
    assert told in done.err
    assert path.read_bytes() == content


def test_a_folder_is_refused(sojourn: Program) -> None:
    (sojourn.folder / "folder").mkdir()
    done = sojourn("list", "--store", "sqlite:///folder")
    assert done.code == 2
    assert "Traceback" not in done.err


def test_a_damaged_file_is_a_store_that_is_unavailable(sessions: Sessions, sojourn: Program) -> None:
    sessions.make("ada")
    sessions.manager.close()
    with sessions.path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(sessions.path.stat().st_size - 4096))
    done = sojourn("list", "--store", sessions.url)
    assert done.code == 3
    assert done.err.startswith("Error: The session file")
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    "words",
    [
        ["nonsense"],
        ["list", "--limit", "0"],
        ["list", "--limit", "many"],
        ["show"],
        ["show", "xyz"],
        ["show", "../etc/passwd"],
        ["revoke", "abc"],
        ["cleanup", "--keep-ended", "soon"],
        ["cleanup", "--keep-ended", "9999d"],
    ],
    ids=" ".join,
)
def test_wrong_usage_exits_2_without_a_traceback(words: list[str], sessions: Sessions, sojourn: Program) -> None:
    done = sojourn(*words, env={"SOJOURN_STORE": sessions.url})
    assert (done.code, done.out) == (2, "")
    assert "Error: " in done.err
    assert "Traceback" not in done.err


def test_a_terminal_of_another_encoding_gets_escapes(sessions: Sessions, sojourn: Program) -> None:
    sessions.make("田中")
    sessions.make("田中")
    done = sojourn("list", "--store", sessions.url, env={"PYTHONUTF8": "0", "PYTHONIOENCODING": "latin-1:strict"})
    assert done.code == 0
    assert "\\u7530\\u4e2d" in done.out


def test_without_click_it_says_what_to_install(tmp_path: Path) -> None:
    lines = "import sys; sys.modules['click'] = None; sys.argv = ['sojourn', 'list']; import sojourn.cli as c; c.main()"
    done = subprocess.run([sys.executable, "-c", lines], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "Error: The program needs click: pip install '.[cli]' in a checkout of Sojourn\n"


def test_version_and_help_exit_0(sojourn: Program) -> None:
    from sojourn import __version__

    assert sojourn("--version").out == f"sojourn, version {__version__}\n"
    done = sojourn("--help")
    assert done.code == 0
    for told in ("0  done", "1  nothing found", "2  wrong usage", "3  the store is unavailable"):
        assert told in done.out
