"""The tables, as numbered migrations: each is applied once, and never changed after its release.

`ours` is as in statement.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

__all__ = ["CHANNEL", "LISTENERS_LOCK", "LISTENER_STRIPES", "MIGRATIONS", "MIGRATION_LOCK", "USER_LOCK", "Migration"]

# Advisory locks have two numbers; the first tells ours from those of other programs in the same database.
MIGRATION_LOCK, USER_LOCK, LISTENERS_LOCK = 1936354865, 1936354866, 1936354867
LISTENER_STRIPES = 8
CHANNEL = "sojourn_session"


class Migration(NamedTuple):
    """One step from an older schema to a newer one, in one transaction.

    `needs`: how many migrations code has to know to serve a database that has this one. A step that only adds needs no
    more than the one before it. One that takes away what older code reads or writes needs its own number, or that of
    the step with which code left it alone.
    """

    name: str
    needs: int
    statements: Sequence[str]


# data: {key: value's JSON text}. As text, for jsonb itself would give 1.0 or 1e400 back as other numbers and refuse
# \u0000; an operator reads (data ->> 'cart')::json. record: what never changes of a session.
# sweep_at: not later than when the session stops being live. A touch leaves it and every other indexed column, so that
# PostgreSQL updates the row in its page (HOT), without a write to an index; fillfactor leaves the room.
_TABLE = """
CREATE TABLE ours.sojourn_session (
    id text COLLATE "C" PRIMARY KEY,
    user_id text COLLATE "C",
    seen_at bigint NOT NULL,
    idle_timeout bigint NOT NULL,
    absolute_expires_at bigint NOT NULL,
    ended_at bigint,
    sweep_at bigint NOT NULL,
    version bigint NOT NULL,
    bytes integer NOT NULL,
    end_reason text,
    secrets text NOT NULL,
    record json NOT NULL,
    data jsonb NOT NULL
) WITH (fillfactor = 85)
"""

_USER_INDEX = """
CREATE INDEX sojourn_session_user ON ours.sojourn_session (user_id) WHERE ended_at IS NULL AND user_id IS NOT NULL
"""

_USER_INDEX_OF_REALM = """
CREATE INDEX sojourn_session_user ON ours.sojourn_session (realm, user_id, id)
WHERE ended_at IS NULL AND user_id IS NOT NULL
"""

# The instants of Store.bar, with no user, and of Store.end_all.
_BAR = """
CREATE TABLE ours.sojourn_bar (
    realm text COLLATE "C",
    user_hash text COLLATE "C",
    at bigint NOT NULL,
    PRIMARY KEY (realm, user_hash)
)
"""
_MARK = """
CREATE TABLE ours.sojourn_mark (id text COLLATE "C" PRIMARY KEY, session_id text NOT NULL, ends_at bigint NOT NULL)
"""

# The trail of sojourn.audit. Of its chain: the last entry that was deleted for its age, and the last one of all.
_AUDIT = "CREATE TABLE ours.sojourn_audit (n bigint PRIMARY KEY, entry text NOT NULL)"
_AUDIT_CHAIN = """
CREATE TABLE ours.sojourn_audit_chain (
    one boolean PRIMARY KEY CHECK (one),
    cut_n bigint NOT NULL,
    cut_hash text NOT NULL,
    n bigint NOT NULL,
    hash text NOT NULL
)
"""
_AUDIT_START = """
INSERT INTO ours.sojourn_audit_chain
SELECT true, 0, pg_catalog.repeat('0', 64), 0, pg_catalog.repeat('0', 64)
"""

# Who notifies takes a lock of the whole server until its commit is on disk: a fifth of the writes per second. So
# nobody notifies where nobody listens. A listener holds all stripes, shared. A writer that gets a stripe for itself
# knows that there is none, and keeps the stripe until it is done: who begins to listen waits for it, and then begins.
_TELL = f"""
CREATE FUNCTION ours.sojourn_session_tell() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    FOR n IN 1..{LISTENER_STRIPES} LOOP
        IF pg_catalog.pg_try_advisory_xact_lock(
            {LISTENERS_LOCK}, (pg_catalog.pg_backend_pid() + n) % {LISTENER_STRIPES}
        ) THEN
            RETURN NULL;
        END IF;
    END LOOP;
    PERFORM pg_catalog.pg_notify('{CHANNEL}', CASE TG_OP WHEN 'TRUNCATE' THEN '*' ELSE OLD.id END);
    RETURN NULL;
END
$$
"""

# All columns but those of the clean-up.
_TELL_ROW = """
CREATE TRIGGER sojourn_session_tell AFTER DELETE OR UPDATE OF id, user_id, seen_at, idle_timeout, absolute_expires_at,
    ended_at, version, end_reason, secrets, record, data
ON ours.sojourn_session FOR EACH ROW EXECUTE FUNCTION ours.sojourn_session_tell()
"""
_TELL_TRUNCATE = """
CREATE TRIGGER sojourn_session_tell_all AFTER TRUNCATE
ON ours.sojourn_session FOR EACH STATEMENT EXECUTE FUNCTION ours.sojourn_session_tell()
"""

MIGRATIONS = (
    Migration(
        "sessions",
        1,
        (
            _TABLE,
            _USER_INDEX,
            "CREATE INDEX sojourn_session_sweep ON ours.sojourn_session (sweep_at)",
            _TELL,
            _TELL_ROW,
            _TELL_TRUNCATE,
        ),
    ),
    Migration(
        "realms, instants and marks",
        2,
        (
            # From before the first release: their secrets have no family, so that nobody could open them.
            "TRUNCATE ours.sojourn_session",
            'ALTER TABLE ours.sojourn_session ADD COLUMN realm text COLLATE "C" NOT NULL',
            "DROP INDEX ours.sojourn_session_user",
            "DROP INDEX ours.sojourn_session_sweep",
            _USER_INDEX_OF_REALM,
            # A row is in one of the two: the first finds what ran out, the second what is dead for long.
            "CREATE INDEX sojourn_session_live ON ours.sojourn_session (sweep_at) WHERE ended_at IS NULL",
            "CREATE INDEX sojourn_session_dead ON ours.sojourn_session (ended_at) WHERE ended_at IS NOT NULL",
            _BAR,
            _MARK,
            "CREATE INDEX sojourn_mark_end ON ours.sojourn_mark (ends_at)",
        ),
    ),
    Migration("audit trail", 2, (_AUDIT, _AUDIT_CHAIN, _AUDIT_START)),
)
