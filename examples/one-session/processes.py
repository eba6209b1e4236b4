"""Processes: what the launcher has started. They end together, however the launcher ends."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from parts import Part

__all__ = ["Processes"]

# It reads the processes' numbers from a pipe that ends with the launcher: if that was killed, it tidies up instead.
GUARDIAN = 'while read -r group; do groups="$groups -$group"; done; kill -s KILL -- $groups; rm -rf -- "$1"'
PATIENCE = 60.0


class Processes:
    """Children, each the leader of a process group: a Ctrl-C at the terminal is the launcher's alone."""

    def __init__(self, folder: Path) -> None:
        self._running: dict[str, asyncio.subprocess.Process] = {}
        self._telling: set[asyncio.Task[None]] = set()
        self._guardian = subprocess.Popen(
            ["/bin/sh", "-c", GUARDIAN, "guardian", str(folder)], stdin=subprocess.PIPE, start_new_session=True
        )

    async def start(self, part: Part) -> None:
        """Start it, and wait until it listens. Raises RuntimeError where that does not come to pass."""
        process = await asyncio.create_subprocess_exec(
            *part.command,
            cwd=part.folder,
            env={**os.environ, **part.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        assert self._guardian.stdin is not None
        self._guardian.stdin.write(b"%d\n" % process.pid)
        self._guardian.stdin.flush()
        self._running[part.name] = process
        self._telling.add(asyncio.create_task(_tell(part.name, process)))
        deadline = time.monotonic() + PATIENCE
        while not _listens(part.address):
            if process.returncode is not None:
                raise RuntimeError(f"{part.name} ended with {process.returncode}: what it said is above.")
            if time.monotonic() > deadline:
                raise RuntimeError(f"{part.name} does not listen after {PATIENCE:g} s.")
            await asyncio.sleep(0.02)

    async def first_end(self) -> str:
        """What to say once one of them has ended."""
        # Not process.wait(): that waits for its children too, where they have its output.
        while True:
            for name, process in self._running.items():
                if process.returncode is not None:
                    return f"{name} ended with {process.returncode}"
            await asyncio.sleep(0.1)

    async def stop(self) -> None:
        """End them, and whatever they have started."""
        self._signal(signal.SIGTERM)
        for _ in range(250):  # five seconds
            if all(process.returncode is not None for process in self._running.values()):
                break
            await asyncio.sleep(0.02)
        self._signal(signal.SIGKILL)
        await asyncio.gather(*self._telling)
        self._guardian.kill()
        self._guardian.communicate()

    def _signal(self, number: signal.Signals) -> None:
        for process in self._running.values():
            with suppress(ProcessLookupError):
                os.killpg(process.pid, number)


async def _tell(name: str, process: asyncio.subprocess.Process) -> None:
    assert process.stdout is not None
    async for line in process.stdout:
        sys.stdout.write(f"{name:8}| {line.decode('utf-8', 'replace')}")
        sys.stdout.flush()


def _listens(address: Path | int) -> bool:
    family, place = (
        (socket.AF_INET, ("127.0.0.1", address)) if isinstance(address, int) else (socket.AF_UNIX, str(address))
    )
    with socket.socket(family, socket.SOCK_STREAM) as caller:
        caller.settimeout(1)
        with suppress(OSError):
            caller.connect(place)
            return True
    return False
