"""PostgresStore: records in PostgreSQL, through psycopg 3, for any number of machines. Needs the extra `postgres`."""

from .async_store import AsyncPostgresStore
from .migrations import migrate
from .store import PostgresStore

__all__ = ["AsyncPostgresStore", "PostgresStore", "migrate"]
