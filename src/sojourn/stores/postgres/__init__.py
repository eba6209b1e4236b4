"""PostgresStore: records in PostgreSQL, through psycopg 3, for any number of machines. Needs the extra `postgres`."""

try:
    import psycopg  # noqa: F401  # looked for here, so that its absence is told in one sentence
    import psycopg_pool  # noqa: F401
except ImportError as error:
    from sojourn.core.extras import install

    raise ImportError(f"sojourn.stores.postgres needs {error.name}: {install('postgres')}") from error

from .async_store import AsyncPostgresStore
from .migrations import migrate
from .store import PostgresStore

__all__ = ["AsyncPostgresStore", "PostgresStore", "migrate"]
