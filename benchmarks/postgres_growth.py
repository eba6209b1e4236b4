"""Growth: what hours of touches leave in PostgreSQL, with the time passed in: `python -m benchmarks.postgres_growth`.

Autovacuum runs by the clock on the wall, so it comes by much more seldom per touch than it would in those hours.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import count, islice
from time import perf_counter, sleep

import msgspec
import psycopg
from msgspec.structs import replace

from sojourn.core.store import Applied, Commit, Create
from sojourn.stores.postgres import PostgresStore

from .servers import start_servers
from .session_file import records
from .tables import figure, table

__all__ = ["FULL", "Growth", "Hour", "Size", "measure", "report"]

BEGAN = 1_800_000_000_000
HOUR = 3_600_000
PROCESSES = 4
INDEXES = ("sojourn_session_pkey", "sojourn_session_user", "sojourn_session_sweep")


class Size(msgspec.Struct, frozen=True):
    """So many sessions, of which so many are touched in a second, for so many hours.

    The clean-up, once an hour, deletes what ended `keep_ended` hours ago. 0 is the worst: it looks at every session.
    """

    sessions: int
    per_second: int
    hours: int
    keep_ended: int


FULL = Size(sessions=40_000, per_second=40, hours=10, keep_ended=0)


class Hour(msgspec.Struct, frozen=True):
    """What there was after it: bytes of the table and of each index, and what became of its updates.

    `put_off` rows were looked at by the hour's clean-up and found live: their index on `sweep_at` was written.
    """

    hour: int
    table: int
    indexes: dict[str, int]
    touches: int
    updates: int
    hot: int
    dead: int
    vacuums: int
    put_off: int
    seconds: float


class Growth(msgspec.Struct, frozen=True):
    """All that this benchmark found."""

    size: Size
    hours: list[Hour]


def _fill(conninfo: str, sessions: int) -> list[str]:
    store, ids = PostgresStore(conninfo), []
    for record in records(sessions, 0):
        lasting = replace(record, created_at=BEGAN, seen_at=BEGAN, absolute_expires_at=BEGAN + 24 * HOUR)
        store.create(Create(record=lasting, now=BEGAN, began_at=BEGAN))
        ids.append(record.id)
    store.close()
    return ids


def _visits(ids: list[str], per_second: int) -> Iterator[tuple[str, int]]:
    """Who is seen when: everybody once before anybody twice, in an order that is new each time."""
    now = count(BEGAN, 1000 // per_second)
    while True:
        random.shuffle(ids)
        yield from zip(ids, now, strict=False)


def _touch(conninfo: str, visits: list[tuple[str, int]]) -> int:
    store = PostgresStore(conninfo)
    applied = 0
    for id, now in visits:
        answer = store.commit(Commit(id=id, now=now, seen_at=now, max_bytes=32768))
        applied += isinstance(answer, Applied)
    store.close()
    return applied


def _clean_up(conninfo: str, before: int) -> None:
    store = PostgresStore(conninfo)
    assert store.delete_expired(before, 1) == 0, "all of them were seen in time"
    store.close()


class _Table:
    """What PostgreSQL tells of the table."""

    def __init__(self, conninfo: str) -> None:
        self._connection = psycopg.connect(conninfo, autocommit=True)

    def _one(self, query: str) -> tuple[int, ...]:
        row = self._connection.execute(query).fetchone()  # type: ignore[arg-type]  # our own, below
        assert row is not None
        return row

    def updates(self) -> tuple[int, ...]:
        """Updates, those of them that were HOT, dead rows, vacuums: when the others, who left, have told theirs."""
        sleep(1.0)
        return self._one(
            "SELECT n_tup_upd, n_tup_hot_upd, n_dead_tup, autovacuum_count FROM pg_stat_user_tables "
            "WHERE relname = 'sojourn_session'"
        )

    def bytes(self) -> int:
        """The table's own."""
        return self._one("SELECT pg_table_size('sojourn_session')")[0]

    def index_bytes(self) -> dict[str, int]:
        """Those of each index."""
        return {name: self._one(f"SELECT pg_relation_size('{name}')")[0] for name in INDEXES}

    def close(self) -> None:
        self._connection.close()


def measure(size: Size) -> Growth:
    """Touch, clean up, and look."""
    hours = []
    with start_servers() as servers, ProcessPoolExecutor(PROCESSES) as workers:
        conninfo = servers.new_database()
        visits = _visits(_fill(conninfo, size.sessions), size.per_second)
        watched = _Table(conninfo)
        touches, updated, hot, _, _ = 0, *watched.updates()
        hours.append(Hour(0, watched.bytes(), watched.index_bytes(), 0, 0, 0, 0, 0, 0, 0.0))
        for hour in range(1, size.hours + 1):
            began = perf_counter()
            share = size.per_second * 3600 // PROCESSES
            parts = [list(islice(visits, share)) for _ in range(PROCESSES)]
            touches = sum(workers.map(_touch, [conninfo] * PROCESSES, parts))
            seconds = perf_counter() - began
            after, after_hot, dead, vacuums = watched.updates()
            _clean_up(conninfo, BEGAN + (hour - size.keep_ended) * HOUR)
            put_off = watched.updates()[0] - after
            hours.append(
                Hour(
                    hour=hour,
                    table=watched.bytes(),
                    indexes=watched.index_bytes(),
                    touches=touches,
                    updates=after - updated,
                    hot=after_hot - hot,
                    dead=dead,
                    vacuums=vacuums,
                    put_off=put_off,
                    seconds=seconds,
                )
            )
            updated, hot, _, _ = watched.updates()
            print(report(Growth(size, hours[-1:])), file=sys.stderr, flush=True)
        watched.close()
    return Growth(size, hours)


def report(found: Growth) -> str:
    """The table, in Markdown."""
    rows = [
        [
            str(hour.hour),
            f"{hour.table / 2**20:.1f}",
            *(f"{hour.indexes[name] / 2**20:.1f}" for name in INDEXES),
            f"{hour.touches:,}",
            f"{hour.hot / hour.updates:.2%}" if hour.updates else "–",
            f"{hour.dead:,}",
            str(hour.vacuums),
            f"{hour.put_off:,}",
            figure(hour.touches / hour.seconds) if hour.seconds else "–",
        ]
        for hour in found.hours
    ]
    head = ["Hour", "table, MiB", "primary key", "by user", "by sweep_at", "touches", "HOT", "dead rows", "vacuums"]
    return table([*head, "put off", "touches a second"], rows)


if __name__ == "__main__":
    given = [int(argument) for argument in sys.argv[1:]]
    print(report(measure(Size(*given) if given else FULL)))
