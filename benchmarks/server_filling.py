"""Filling: a million sessions put into Redis and PostgreSQL within minutes, as the stores themselves write them."""

from __future__ import annotations

from itertools import islice

import psycopg
import redis

from sojourn.stores.postgres.rows import row_of
from sojourn.stores.redis.blob import encode_record
from sojourn.stores.redis.key_names import index_key, member, session_key
from tests.servers.redis import RedisServer

from .session_file import records

__all__ = ["fill_postgres", "fill_redis"]

BATCH = 2000
DAY = 86_400_000


def fill_redis(server: RedisServer, sessions: int, expired: int) -> None:
    """Keys and indexes of so many sessions. None is dropped by Redis itself before it is measured."""
    some = records(sessions, expired)
    with redis.Redis.from_url(server.url) as client:
        while batch := list(islice(some, BATCH)):
            pipeline = client.pipeline(transaction=False)
            for record in batch:
                assert record.user_id is not None
                pipeline.set(session_key(record.id), encode_record(record), px=DAY)
                pipeline.zadd(index_key("", record.user_id), {member(record.id): record.created_at})
            pipeline.execute()


def fill_postgres(url: str, sessions: int, expired: int) -> int:
    """Rows of so many sessions; the bytes of the table with its indexes."""
    some = records(sessions, expired)
    columns = row_of(next(records(1, 0)))
    with psycopg.connect(url, autocommit=True) as connection:
        with connection.cursor().copy(f"COPY sojourn_session ({', '.join(columns)}) FROM STDIN") as copy:
            for record in some:
                copy.write_row(list(row_of(record).values()))
        # As autovacuum would soon.
        connection.execute("VACUUM ANALYZE sojourn_session")
        counted = connection.execute("SELECT pg_total_relation_size('sojourn_session')").fetchone()
        assert counted is not None
        return int(counted[0])
