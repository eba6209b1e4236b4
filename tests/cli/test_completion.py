"""docs/cli.md's lines for completion, in a real bash: somebody types, and presses Tab."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs" / "cli.md"


class Bash:
    """An interactive bash on a terminal of its own, in which completion was set up as the page says."""

    def __init__(self, home: Path) -> None:
        self._ours, theirs = pty.openpty()
        bin = Path(sys.executable).parent
        env = {"PATH": f"{bin}:{os.environ['PATH']}", "TERM": "dumb", "HOME": str(home), "PS1": "$ "}
        command = ["bash", "--norc", "--noprofile", "-i"]
        self.process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, env=env, cwd=home, start_new_session=True
        )
        os.close(theirs)
        os.set_blocking(self._ours, False)

    def press(self, keys: str, until: str) -> str:
        """What the terminal shows, once a line of it matches `until`."""
        os.write(self._ours, keys.encode())
        shown, deadline = "", time.monotonic() + 30
        while not re.search(until, shown, re.MULTILINE):
            assert time.monotonic() < deadline, shown
            try:
                shown += os.read(self._ours, 65536).decode().replace("\r", "")
            except BlockingIOError:
                time.sleep(0.02)
        return shown

    def close(self) -> None:
        os.close(self._ours)
        self.process.kill()
        self.process.wait()


@pytest.fixture
def bash(tmp_path: Path) -> Iterator[Bash]:
    """A shell that has read the page's line for bash."""
    found = re.search(r'^eval "\$\(_SOJOURN_COMPLETE=bash_source sojourn\)"', DOCS.read_text("utf-8"), re.MULTILINE)
    assert found is not None
    shell = Bash(tmp_path)
    shell.press(f"bind 'set bell-style none'; {found[0]}; echo $((40 + 2))\n", "^42$")
    yield shell
    shell.close()


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("sojourn rev\t", "sojourn revoke $"),
        ("sojourn cleanup --keep\t", "sojourn cleanup --keep-ended $"),
        ("sojourn keys rot\t", "sojourn keys rotate $"),
        ("sojourn keys make --scope ad\t", "sojourn keys make --scope admin $"),
        ("sojourn serve --log-level w\t", "sojourn serve --log-level warning $"),
    ],
)
def test_tab_completes_commands_options_and_values(bash: Bash, typed: str, shown: str) -> None:
    bash.press(typed, shown)


def test_tab_twice_shows_what_there_is(bash: Bash) -> None:
    shown = bash.press("sojourn keys \t\t", r"rotate[^\n]*\n")

    assert {"list", "make", "revoke", "rotate"} <= set(shown.split())
