"""A queue of NOTIFY that somebody does not read is told before it is full: then every write would be refused."""

from __future__ import annotations

from contextlib import closing

import psycopg

from sojourn.stores.server_facts import store_weaknesses


def test_a_listener_that_reads_nothing_is_told_while_there_is_room(database: str) -> None:
    assert store_weaknesses(database) == []
    with closing(psycopg.connect(database)) as deaf, psycopg.connect(database, autocommit=True) as loud:
        deaf.execute("LISTEN sojourn_session")
        deaf.commit()
        deaf.execute("SELECT 1")  # in a transaction that stays open, nothing is taken from the queue
        loud.execute(
            "SELECT count(pg_notify('sojourn_session', n || repeat('x', 7900))) FROM generate_series(1, 11000) AS n"
        )

        (told,) = store_weaknesses(f"{database}?cache=1MiB")
        assert told.startswith("PostgreSQL's queue of NOTIFY is 1% full: somebody who listens has stopped reading.")
        assert len(store_weaknesses(database)) == 1

        deaf.rollback()
        deaf.execute("SELECT 1")
        loud.execute("NOTIFY sojourn_session")
        assert store_weaknesses(database) == []
