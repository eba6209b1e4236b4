"""What a PostgreSQL server says of the rights we have there, of its disk and of its clock."""

from __future__ import annotations

import time
from collections.abc import Sequence

from .statement import Statement, Steps
from .store import PostgresStore

__all__ = ["Facts", "facts"]

Facts = tuple[str, Sequence[str] | None, Sequence[str] | None, float | None, float]
"""As sojourn.stores.server_facts has them."""

BEYOND = (
    "do anything, as a superuser",
    "make roles",
    "drop the tables and put triggers on them, as their owner",
    "TRUNCATE them",
    "CREATE others beside them",
)
_SELECT = """
SELECT role.rolsuper, role.rolcreaterole, pg_catalog.pg_has_role(made.relowner, 'USAGE'),
  pg_catalog.has_table_privilege(made.oid, 'TRUNCATE'), pg_catalog.has_schema_privilege(made.relnamespace, 'CREATE'),
  pg_catalog.current_setting('fsync'), pg_catalog.current_setting('synchronous_commit'),
  extract(epoch FROM pg_catalog.clock_timestamp())::float8
FROM pg_catalog.pg_class made, pg_catalog.pg_roles role
WHERE made.oid = 'ours.sojourn_session'::regclass AND role.rolname = current_user
"""


def facts(conninfo: str, timeout: float) -> Sequence[Facts]:
    """Those of the server that is asked."""
    store = PostgresStore(conninfo, timeout=timeout)
    try:
        return [store._run(_facts)]
    finally:
        store.close()


def _facts() -> Steps[Facts]:
    before = time.time()
    [[(*rights, fsync, synchronous_commit, now)]] = yield [Statement(_SELECT)]
    after = time.time()
    # A superuser may do all of it, and a table's owner all of that with the table.
    beyond = [told for told, may in zip(BEYOND, rights, strict=True) if may][: 1 if rights[0] else None]
    set_off = {"fsync": fsync, "synchronous_commit": synchronous_commit}
    forgets = [f"{name} {value}" for name, value in set_off.items() if value == "off"]
    return "PostgreSQL", beyond, forgets, now - (before + after) / 2, (after - before) / 2
