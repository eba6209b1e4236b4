"""Behind PgBouncer in transaction mode, where the next statement may meet another connection, and none is ours."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import psycopg

from sojourn.core.store import Applied, Create
from sojourn.stores.postgres import AsyncPostgresStore, PostgresStore, migrate
from sojourn.testing.records import NOW, change, commit, live, make_record, put
from tests.servers.pgbouncer import start_pgbouncer
from tests.servers.postgres import PostgresServer


def test_everything_works_and_no_setting_is_left_to_others(postgres: PostgresServer) -> None:
    name = postgres.new_database().rpartition("/")[2]
    with start_pgbouncer(postgres, name) as conninfo:
        assert migrate(conninfo)
        with closing(PostgresStore(conninfo, max_connections=8)) as store, ThreadPoolExecutor(8) as threads:
            records = list(threads.map(lambda number: put(store, f"user{number % 3}"), range(40)))
            list(threads.map(lambda record: store.commit(commit(record, increments={"n": 1})), records * 3))
            assert {live(store, record.id).data["n"] for record in records} == {b"3"}
            assert sum(len(store.end_all(f"user{number}", "revoked", NOW)) for number in range(3)) == 40

            # With the store's connections open, and each of the server's two used.
            others = [psycopg.connect(conninfo, prepare_threshold=None) for _ in range(2)]
            paths = {tuple(other.execute("SHOW search_path").fetchall()) for other in others}
            assert paths == {(('"$user", public',),)}
            prepared = [other.execute("SELECT name FROM pg_prepared_statements").fetchall() for other in others]
            assert prepared == [[], []]
            for other in others:
                other.close()


def test_an_event_loop_works_too(postgres: PostgresServer) -> None:
    name = postgres.new_database().rpartition("/")[2]

    async def use(conninfo: str) -> None:
        store = AsyncPostgresStore(conninfo, max_connections=8)
        creates = [Create(record=make_record(f"user{number % 3}"), now=NOW, began_at=NOW) for number in range(40)]
        await asyncio.gather(*[store.create(create) for create in creates])
        found = await asyncio.gather(*[store.get(create.record.id) for create in creates])
        assert [each and each.id for each in found] == [create.record.id for create in creates]
        # As often as would be prepared without a pooler, over one connection that has two behind it.
        ours = creates[0].record
        for number in range(20):
            changes = {"n": change(b"%d" % (number - 1) if number else None, b"%d" % number)}
            assert isinstance(await store.commit(commit(ours, changes=changes)), Applied)
            assert await store.get(ours.id)
        await store.close()

    with start_pgbouncer(postgres, name) as conninfo:
        migrate(conninfo)
        asyncio.run(use(conninfo))
