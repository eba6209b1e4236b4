"""Process: a server's process that can be killed, paused and started again, and that never outlives the test run."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from pwd import struct_passwd
from signal import Signals
from types import TracebackType
from typing import Self

from tests.servers.printed import Printed
from tests.servers.waiting import wait_until

__all__ = ["Process", "ProcessServer", "Running", "is_alive"]

# The guardian reads from a pipe that ends with the test run, however that ends: then it ends the server.
_GUARDIAN = 'read -r nothing; kill -s "$1" "$2"; kill -s CONT "$2"'


class Running:
    """What runs until `stop`, or until the end of its `with` block."""

    def stop(self) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class Process(Running, Printed):
    """`command`, run in `folder`, by `user` where it is not ours. `last_signal` is how `stop` ends it."""

    def __init__(
        self,
        command: Sequence[str],
        folder: Path,
        log: Path,
        *,
        user: struct_passwd | None = None,
        last_signal: Signals = signal.SIGKILL,
    ) -> None:
        self.command = command
        self.folder = folder
        self.log = log
        self._user = user
        self._last_signal = last_signal
        self._paused = False
        self.start()

    def start(self) -> None:
        """Run it, again where it has ended."""
        with self.log.open("ab") as output:
            self._popen = subprocess.Popen(
                self.command,
                cwd=self.folder,
                user=self._user and self._user.pw_uid,
                group=self._user and self._user.pw_gid,
                extra_groups=self._user and [],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a Ctrl-C is for the tests
            )
        self._guardian = subprocess.Popen(
            ["/bin/sh", "-c", _GUARDIAN, "guardian", self._last_signal.name.removeprefix("SIG"), str(self.pid)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def running(self) -> bool:
        """True for a paused one too."""
        return self._popen.poll() is None

    @property
    def answering(self) -> bool:
        """Neither ended nor paused."""
        return self.running and not self._paused

    def require_running(self) -> None:
        if not self.running:
            raise RuntimeError(f"{self.command[0]} ended with {self._popen.returncode}:\n{self.output()}")

    def kill(self) -> None:
        """SIGKILL, for its children too: nothing is flushed, nobody is told."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(self._last_signal)

    def pause(self) -> None:
        """SIGSTOP: it keeps its connections and answers none of them."""
        self._signal(signal.SIGSTOP)
        self._paused = True

    def resume(self) -> None:
        self._signal(signal.SIGCONT)
        self._paused = False

    def _end(self, last: Signals) -> None:
        self._guardian.kill()  # first: once the server has ended, its number may become another process's
        self._guardian.communicate()
        family = self._signal(last, signal.SIGCONT)
        self._popen.wait(30)
        self._paused = False
        wait_until(lambda: not any(map(is_alive, family)), "the end of a server's children")

    def _signal(self, *signals: Signals) -> list[int]:
        """Where there is no /proc, no children are found: there, they end by themselves when they miss their parent."""
        if not self.running:
            return []
        numbers = [int(folder.name) for folder in Path("/proc").glob("[0-9]*")]
        family = [self.pid, *(pid for pid in numbers if _state(pid)[1] == self.pid)]
        for pid in family:
            with suppress(ProcessLookupError):
                for each in signals:
                    os.kill(pid, each)
        return family


class ProcessServer(Running):
    """A server in one process, which subclasses start and know how to wait for."""

    process: Process

    def _wait_until_ready(self) -> None:
        raise NotImplementedError

    def kill(self) -> None:
        self.process.kill()

    def pause(self) -> None:
        self.process.pause()

    def resume(self) -> None:
        self.process.resume()

    def restart(self) -> None:
        """End it, where it runs, and start it on the same port. What it had not made durable is gone."""
        self.process.kill()
        self.process.start()
        self._wait_until_ready()

    def stop(self) -> None:
        self.process.stop()


def is_alive(pid: int) -> bool:
    """Whether it runs, or is paused. Where there is no /proc, it is not."""
    return _state(pid)[0] not in "ZX"


def _state(pid: int) -> tuple[str, int]:
    """Its state in a letter, X for none, and its parent."""
    try:
        state, parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:2]
    except OSError:
        return "X", 0
    return state, int(parent)
