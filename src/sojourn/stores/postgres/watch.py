"""Watch: every write is reported to whoever listens, by a trigger and the server's NOTIFY.

A connection of its own listens, and sends heartbeats to itself through the same queue. The server delivers all in the
order of the commits, so one that comes back proves that what was committed before it was sent has been reported.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Generator, Sequence
from secrets import token_hex
from typing import Any

import psycopg
from psycopg import Notify

from sojourn.core.errors import ConfigurationError
from sojourn.core.store import Watcher

from .bound_connection import BoundConnection
from .rows import unescaped
from .schema import CHANNEL, LISTENER_STRIPES, LISTENERS_LOCK

__all__ = ["watch"]

logger = logging.getLogger("sojourn")

# Heartbeats that may be missing before the connection is given up, and the least time for that, in seconds.
PATIENCE = 3
LEAST_PATIENCE = 1.0
RECONNECT_PAUSE = 0.2

_CUT = "PostgreSQL tells of no writes any more: %s; connecting again"
_OPTIONS: Any = {"autocommit": True, "prepare_threshold": None}

_Steps = Generator[tuple[str, Sequence[Any]] | float, Any, None]


def _listen(watcher: Watcher, interval: float, process: int) -> _Steps:
    """What to do over one connection: SQL, for its rows, or seconds to wait, for the notifications until then."""
    [(answering,)] = yield "SELECT pg_catalog.pg_backend_pid()", ()
    if answering != process:
        raise ConfigurationError(
            "There is a pooler in front of this PostgreSQL server, and NOTIFY is not heard through one. Give the store "
            "listen_conninfo=, a conninfo that reaches the server itself."
        )
    beat = f"sojourn_beat_{token_hex(8)}"
    # A heartbeat need not be on disk, and whoever writes waits for that.
    yield "SELECT pg_catalog.set_config('synchronous_commit', 'off', false)", ()
    yield f"LISTEN {CHANNEL}", ()
    yield f"LISTEN {beat}", ()
    # Waits for those who began to write when nobody listened, and so notify nobody: see schema.py.
    stripes = "SELECT pg_catalog.pg_advisory_lock_shared(%s, stripe) FROM pg_catalog.generate_series(0, %s) AS stripe"
    yield stripes, (LISTENERS_LOCK, LISTENER_STRIPES - 1)
    watcher.lost()
    heard = time.monotonic()
    while not watcher.closed:
        sent = time.monotonic()
        if sent - heard > _patience(interval):
            raise psycopg.OperationalError("no beat came back")
        yield "SELECT pg_catalog.pg_notify(%s, %s)", (beat, repr(sent))
        while (left := sent + interval - time.monotonic()) > 0:
            heard = _dispatch(watcher, beat, (yield left)) or heard


def _dispatch(watcher: Watcher, beat: str, notes: Sequence[Notify]) -> float | None:
    """Pass on what was reported; when the last heartbeat that came back was sent."""
    changed = [unescaped(note.payload) for note in notes if note.channel == CHANNEL and note.payload != "*"]
    if changed:
        watcher.changed(changed)
    if any(note.channel == CHANNEL and note.payload == "*" for note in notes):
        watcher.lost()
    beats = [float(note.payload) for note in notes if note.channel == beat]
    if not beats:
        return None
    watcher.sound(beats[-1])
    return beats[-1]


def _patience(interval: float) -> float:
    return max(PATIENCE * interval, LEAST_PATIENCE)


def watch(conninfo: str, watcher: Watcher, interval: float) -> None:
    """WatchableStore.watch."""
    level = logging.WARNING
    while not watcher.closed:
        try:
            with BoundConnection.connect(conninfo, **_OPTIONS) as connection:
                level = logging.WARNING
                _follow(connection, _listen(watcher, interval, connection.info.backend_pid), _patience(interval))
        except psycopg.Error as error:
            logger.log(level, _CUT, str(error).splitlines()[0])
            level = logging.DEBUG
        finally:
            watcher.lost()
        if not watcher.closed:
            time.sleep(RECONNECT_PAUSE)


def _follow(connection: BoundConnection, steps: _Steps, patience: float) -> None:
    answer: Any = None
    try:
        while True:
            step = steps.send(answer)
            if isinstance(step, float):
                answer = list(connection.notifies(timeout=step, stop_after=1))
            else:
                connection.give_up = time.monotonic() + patience
                cursor = connection.execute(*step)
                answer = cursor.fetchall() if cursor.description else []
    except StopIteration:
        return
