"""Tables: in which schema they are, and whether their owner may be trusted. Pure, but for the SQL that asks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sojourn.core.errors import ConfigurationError

__all__ = ["HARDEN", "SELECT_TABLES", "judge_tables"]

# Whoever owns a table may put a trigger on it, which sees every session and runs with the rights of who writes. Trusted
# are the role that asks and those that it is a member of (a superuser is one of all, which says nothing), who owns the
# database, superusers, and who owns the schema: but not a schema that is found for having the name of the role that
# asks, as "$user" in search_path has it. Temporary tables are not among current_schemas(false).
SELECT_TABLES = """
SELECT pg_catalog.quote_ident(n.nspname), c.relname::text, o.rolname::text,
    o.rolsuper OR o.oid = d.datdba OR o.rolname = current_user OR (o.oid = n.nspowner AND n.nspname <> current_user)
        OR (NOT me.rolsuper AND pg_catalog.pg_has_role(o.oid, 'MEMBER'))
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_roles AS o ON o.oid = c.relowner
JOIN pg_catalog.pg_roles AS me ON me.rolname = current_user
JOIN pg_catalog.pg_database AS d ON d.datname = pg_catalog.current_database()
WHERE c.relname IN ('sojourn_migration', 'sojourn_session', 'sojourn_bar', 'sojourn_mark', 'sojourn_audit',
        'sojourn_audit_chain')
    AND n.nspname = ANY (pg_catalog.current_schemas(false))
ORDER BY pg_catalog.array_position(pg_catalog.current_schemas(false), n.nspname), c.relname
"""

# For a connection to the server itself: behind a pooler it would be somebody else's next, and whose process answers is
# not the one that was named at the beginning.
HARDEN = """
SELECT pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', false)
WHERE pg_catalog.pg_backend_pid() OPERATOR(pg_catalog.=) %s::pg_catalog.int4
"""


def judge_tables(rows: Sequence[Sequence[Any]]) -> str | None:
    """The schema of the first tables on the search_path, as SQL writes its name; None where there are none.

    Raises ConfigurationError, with the mend, for a table there that a stranger made.
    """
    if not rows:
        return None
    schema: str = rows[0][0]
    for _, table, owner, trusted in [row for row in rows if row[0] == schema]:
        if not trusted:
            raise ConfigurationError(
                f"The table {schema}.{table} in PostgreSQL belongs to the role {owner!r}, who is neither the one that "
                "asks, nor one that it is a member of, nor the owner of the database or of the schema: who made it "
                "could see every session. If that role may be trusted, give it the schema that the tables are in "
                "(ALTER SCHEMA … OWNER TO …), or give the tables to the owner of the database (ALTER TABLE … OWNER "
                "TO …); else drop the tables, and run `sojourn migrate --store URL`."
            )
    return schema
