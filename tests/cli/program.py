"""The program as a real process: piped, or on a terminal of its own."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import struct
import subprocess
import sys
import termios
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

COMMAND = [sys.executable, "-m", "sojourn"]


@dataclass(frozen=True)
class Result:
    """What a run left behind. On a terminal all its output is in `out`."""

    code: int
    out: str
    err: str = ""

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True)
class Program:
    """Runs `sojourn` in `folder`. Nothing of this process's own settings reaches it but what `env` says."""

    folder: Path

    def __call__(self, *words: str, env: Mapping[str, str] | None = None, text: str = "") -> Result:
        done = subprocess.run(
            [*COMMAND, *words],
            cwd=self.folder,
            env=self._environment(env),
            input=text,
            capture_output=True,
            encoding="utf-8",
            timeout=110,
            check=False,
        )
        return Result(done.returncode, done.stdout, done.stderr)

    def on_terminal(
        self, *words: str, env: Mapping[str, str] | None = None, text: str = "", columns: int = 200
    ) -> Result:
        """Run with stdin, stdout and stderr on a terminal, where somebody types `text`."""
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
        process = subprocess.Popen(
            [*COMMAND, *words],
            cwd=self.folder,
            env=self._environment({"TERM": "xterm", **(env or {})}),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        os.write(ours, text.encode())
        output = _read_all(ours)
        os.close(ours)
        return Result(process.wait(110), output.decode())

    def _environment(self, env: Mapping[str, str] | None) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "PYTHONPATH", "LANG")}
        return {**kept, "PYTHONUTF8": "1", **(env or {})}


def _read_all(terminal: int) -> bytes:
    output = b""
    while True:
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # Linux's end of file, once the other side is closed
            return output
        if not piece:
            return output
        output += piece
