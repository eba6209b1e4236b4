"""find_port: a free port for a server, which may be killed and started again on the same one."""

from __future__ import annotations

import os
import socket
from collections import deque
from random import SystemRandom

__all__ = ["BUS_OFFSET", "find_port"]

_random = SystemRandom()  # Hypothesis makes the other one draw the same in every process

# Workers of one test run keep apart: none takes what another has found free and not bound yet.
_WORKERS = 16
_worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _WORKERS

# Nor is one found twice in a row: it may be in use only later, or be one where nothing is to answer.
_found: deque[int] = deque(maxlen=200)

BUS_OFFSET = 10_000  # a node of a Redis Cluster talks to the others on its port + 10000


def find_port() -> int:
    """A port that is free, and its bus port too.

    Both are below the range that systems take for outgoing connections: nothing slips in before the server is up, or
    while it is down.
    """
    while True:
        port = _random.randrange(11_000, 22_000 - _WORKERS, _WORKERS) + _worker
        if port not in _found and _is_free(port) and _is_free(port + BUS_OFFSET):
            _found.append(port)
            return port


def _is_free(port: int) -> bool:
    with socket.socket() as listener:
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
