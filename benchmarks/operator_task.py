"""An operator's task, in a process of its own for its time and memory.

`python -m benchmarks.operator_task URL NAME USER…` answers in one line of JSON. Nothing is loaded here but what such a
script would load.
"""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter

import msgspec

from sojourn import SessionManager, open_store

__all__ = ["OperatorTask", "main"]


class OperatorTask(msgspec.Struct, frozen=True):
    """What it met, how long it took (the median, where it was done for several users), and the most memory of all."""

    met: int
    seconds: float
    peak_bytes: int


def _peak_bytes() -> int:
    """The process's largest resident size. getrusage counts what it was forked from, so Linux itself is asked first."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().partition("VmHWM:")[2].split()[0]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main() -> None:
    """Do what the arguments say, and print what it took."""
    url, name, *users = sys.argv[1:]
    manager = SessionManager(open_store(url))
    tasks: dict[str, Callable[[str], int]] = {
        "list": lambda user: len(manager.list(user)),
        "revoke_all": manager.revoke_all,
        "delete_expired": lambda _: manager.delete_expired(),
        "stats": lambda _: manager.stats().live,
    }
    # Connected before the clock starts.
    manager.list("nobody")
    met, took = 0, []
    for user in users or [""]:
        began = perf_counter()
        met += tasks[name](user)
        took.append(perf_counter() - began)
    manager.close()
    sys.stdout.buffer.write(msgspec.json.encode(OperatorTask(met, median(took), _peak_bytes())))


if __name__ == "__main__":
    main()
