"""A stream that is closed, full or cut off: every command ends in a code that docs/cli.md has, without a traceback."""

from __future__ import annotations

import os
import shlex
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

import click
import pytest

from sojourn import SessionManager, open_store
from sojourn.audit import AuditFile
from sojourn.cli import Exit
from sojourn.cli.program import program
from sojourn.service.keys import changing_keys, make_key
from tests.cli.program import COMMAND
from tests.servers.port import find_port
from tests.servers.waiting import wait_until

# Each command, doing what it does. {id} is a live session's, {key} a key's.
COMMANDS = {
    "list": "",
    "show": "{id}",
    "revoke": "{id}",
    "export": "--user ada",
    "erase": "--user ada",
    "cleanup": "",
    "stats": "",
    "copy": "--from {store} --to sqlite:///there.db",
    "migrate": "",
    "policy": "",
    "serve": "--check --keys keys.json",
    "keys make": "--keys keys.json --name office",
    "keys list": "--keys keys.json",
    "keys rotate": "--keys keys.json {key}",
    "keys revoke": "--keys keys.json {key}",
    "audit": "--json",
    "audit verify": "",
    "admin": "--help",
    "doctor": "--store {store}",
    "torture": "sqlite:///torture.db --rounds 1 --processes 2 --only fixation",
    "demo": "--help",
}
REDIRECTIONS = {
    ">&-": Exit.UNWRITTEN,
    ">/dev/full": Exit.UNWRITTEN,
    "<&- >&- 2>&-": Exit.UNWRITTEN,
    "<&- 2>/dev/full": Exit.DONE,
}


@dataclass(frozen=True)
class Place:
    """A folder with a store in which ada is logged in, and a key."""

    folder: Path
    id: str
    key: str

    def run(self, words: str, redirection: str) -> subprocess.CompletedProcess[str]:
        """`sojourn` with `words`, as a shell starts it."""
        line = f"exec {shlex.join(COMMAND)} {words.format(id=self.id, key=self.key, store=self.store)} {redirection}"
        return subprocess.run(
            ["bash", "-c", line],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    @property
    def store(self) -> str:
        return f"sqlite:///{self.folder}/sessions.db"

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "SOJOURN_STORE": self.store, "SOJOURN_AUDIT": f"{self.folder}/audit.jsonl"}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    manager = SessionManager(open_store(f"sqlite:///{tmp_path}/sessions.db"))
    session = manager.anonymous()
    session.login("ada")
    manager.commit(session)
    manager.close()
    assert session.id is not None
    with changing_keys(tmp_path / "keys.json") as keys:
        key, _ = make_key("web", ["sessions"], 0, os.urandom)
        keys.append(key)
    AuditFile(tmp_path / "audit.jsonl").note("role_given", by="user")
    return Place(tmp_path, session.id, key.id)


def test_no_command_is_left_out() -> None:
    names = set()
    for name, command in program.commands.items():
        under = command.commands if isinstance(command, click.Group) else {}
        names |= {name} - ({"keys"} if under else set()) | {f"{name} {each}" for each in under}
    assert names == set(COMMANDS)


@pytest.mark.parametrize("redirection", REDIRECTIONS)
@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_ends_in_a_documented_code(place: Place, command: str, redirection: str) -> None:
    done = place.run(f"{command} {COMMANDS[command]}", redirection)

    assert done.returncode == REDIRECTIONS[redirection], done
    assert "Traceback" not in done.stdout + done.stderr
    assert "Exception ignored" not in done.stderr
    if done.returncode == Exit.DONE:
        assert done.stdout
    elif "2>" not in redirection:
        assert done.stderr.splitlines()[-1].startswith("Error: The output could not be written: ")


def test_what_was_done_is_done_though_nobody_could_be_told(place: Place) -> None:
    assert place.run("revoke {id}", ">/dev/full").returncode == Exit.UNWRITTEN
    assert place.run("revoke {id}", "").stderr.startswith("It was over already: revoked")


@pytest.mark.parametrize("redirection", [*REDIRECTIONS, "<&-"])
def test_a_mistake_has_its_code_whatever_the_streams(place: Place, redirection: str) -> None:
    for words, code in [("nonsense", Exit.USAGE), ("show 0000", Exit.NOTHING), ("revoke --all", Exit.USAGE)]:
        done = place.run(words, redirection)
        assert done.returncode == code, done
        assert "Traceback" not in done.stderr


def test_what_is_not_to_be_buffered_is_not(place: Place) -> None:
    """PYTHONUNBUFFERED, which containers are started with."""
    code = "import sojourn.cli.streams as s; s.prepare_streams(); print('told'); import os; os._exit(0)"
    for unbuffered, told in (("1", "told\n"), ("", "")):
        env = {**place.environment, "PYTHONUNBUFFERED": unbuffered}
        done = subprocess.run([COMMAND[0], "-c", code], env=env, capture_output=True, text=True, check=True)
        assert done.stdout == told


def test_who_reads_no_further_is_not_complained_to(place: Place) -> None:
    command = [*COMMAND, "policy"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        said = process.stderr.read()

    assert (process.returncode, said) == (Exit.UNWRITTEN, "")


@pytest.mark.parametrize("redirection", ["<&- >&- 2>&-", ">/dev/full 2>/dev/full"])
def test_a_service_serves_whatever_its_streams(place: Place, redirection: str) -> None:
    """And no file of its own takes the place of a stream that is closed."""
    port = find_port()
    line = f"exec {shlex.join(COMMAND)} serve --keys keys.json --workers 2 --port {port} {redirection}"
    process = subprocess.Popen(["bash", "-c", line], cwd=place.folder, env=place.environment)
    try:
        wait_until(lambda: _is_healthy(port), "the service")
        streams = [Path(f"/proc/{process.pid}/fd/{number}").readlink() for number in range(3)]
        assert {str(stream) for stream in streams} <= {"/dev/null", "/dev/full"} | {str(streams[0])}
        assert "socket" not in str(streams)
        assert "sessions" not in str(streams)
    finally:
        process.terminate()
    assert process.wait(20) == Exit.DONE


def _is_healthy(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 5) as caller:
            caller.sendall(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n")
            return caller.recv(100).startswith(b"HTTP/1.1 200")
    except OSError:
        return False
