"""StoreContract behind a pool of the caller's, with settings of the caller's own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool, ConnectionPool

from sojourn.stores.postgres import AsyncPostgresStore, PostgresStore
from sojourn.testing import StoreContract, blocking

# Transactions that are the caller's to end, statements that are prepared, rows that are no tuples.
SETTINGS = {"row_factory": dict_row, "prepare_threshold": 0}


class TestBehindACallersPool(StoreContract):
    @pytest.fixture(autouse=True)
    def _open(self, database: str) -> Iterator[None]:
        with ConnectionPool(database, kwargs=SETTINGS, min_size=1, max_size=10) as pool:
            self.store = PostgresStore(pool)
            yield
            with pool.connection() as connection:
                assert not connection.autocommit

    def setup_method(self) -> None:
        """The fixture opens it."""


class TestBehindACallersAsyncPool(StoreContract):
    @pytest.fixture(autouse=True)
    def _open(self, database: str) -> Iterator[None]:
        pool = AsyncConnectionPool(database, kwargs=SETTINGS, min_size=1, max_size=10, open=False)
        store = self.store = blocking(AsyncPostgresStore(pool))
        store._run(pool.open())
        yield
        store._run(pool.close())
        store.close()

    def setup_method(self) -> None:
        """The fixture opens it."""

    def teardown_method(self) -> None:
        """And closes it, with the pool, in the event loop."""
