"""Records in PostgreSQL, through psycopg 3. Needs the extra `postgres`."""

from .async_store import AsyncPostgresStore
from .migrations import migrate
from .store import PostgresStore

__all__ = ["AsyncPostgresStore", "PostgresStore", "migrate"]
