"""A session file with as many sessions in it as are asked for, made in seconds."""

from __future__ import annotations

import os
import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from time import time

from sojourn.core.codec import encode
from sojourn.core.record import Client, Record, Secrets
from sojourn.core.token import partition
from sojourn.stores.sqlite import SQLiteStore
from sojourn.stores.sqlite.rows import insert

from .shop import SESSION

__all__ = ["fill", "now_ms", "random_users"]

SESSIONS_OF_A_USER = 5
BROWSER = Client(
    "203.0.113.7",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
)
DATA = {key: encode(value) for key, value in SESSION.items()}
HALF_HOUR, HALF_DAY, TWO_DAYS = 1_800_000, 43_200_000, 172_800_000


def now_ms() -> int:
    """Unix time in milliseconds."""
    return int(time() * 1000)


def records(sessions: int, expired: int) -> Iterator[Record]:
    """Sessions of users with a few each, in random order of id as browsers make them; the first ones expired."""
    now = now_ms()
    for n in range(sessions):
        user_id = f"user-{n // SESSIONS_OF_A_USER}"
        seen = now - (TWO_DAYS if n < expired else random.randrange(HALF_HOUR // 2))
        yield Record(
            id=partition(user_id) + os.urandom(16).hex()[3:],
            secrets=Secrets(os.urandom(16), os.urandom(16), seen),
            created_at=seen,
            seen_at=seen,
            idle_timeout=HALF_HOUR,
            absolute_expires_at=seen + HALF_DAY,
            data=DATA,
            user_id=user_id,
            authenticated_at=seen,
            client=BROWSER,
        )


def fill(path: Path, sessions: int, expired: int = 0) -> None:
    """Make a session file at `path` and put sessions into it, by the store's own insert."""
    SQLiteStore(path).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        # The set-up only: nothing of it is measured, and the file on the disk comes out the same.
        connection.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -2000000;")
        connection.execute("BEGIN")
        for record in records(sessions, expired):
            insert(connection, record)
        connection.execute("COMMIT")
        connection.execute("PRAGMA journal_mode = WAL")
    # Out of the system's cache, or the first fsync that is measured would write all of it.
    with path.open("rb") as file:
        os.fsync(file.fileno())


def random_users(sessions: int, count: int, expired: int = 0) -> list[str]:
    """So many users of a file with so many sessions, whose own are not among those that ran out."""
    everybody = range(expired // SESSIONS_OF_A_USER, sessions // SESSIONS_OF_A_USER)
    return [f"user-{n}" for n in random.sample(everybody, count)]
