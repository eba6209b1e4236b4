"""PostgresStore: records in PostgreSQL, through psycopg 3, for any number of machines. Needs the extra `postgres`."""

from .migrations import migrate
from .store import AsyncPostgresStore, PostgresStore

__all__ = ["AsyncPostgresStore", "PostgresStore", "migrate"]
