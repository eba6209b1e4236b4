"""The SQL, once for both kinds of store. Every condition of a write is in the write itself.

PostgreSQL looks at a row that another transaction has just changed again, newest version and all conditions, before it
updates it (READ COMMITTED): so two writers are judged one after the other, and neither has to try again.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from sojourn.core.codec import MAX_INTEGER

from .rows import COLUMNS
from .schema import USER_LOCK

__all__ = [
    "BARS",
    "BEGIN",
    "CHANGE",
    "COMMIT",
    "COUNT",
    "DELETE_BARS",
    "DELETE_EXPIRED",
    "DELETE_MARKS",
    "END",
    "END_ALL",
    "END_EXPIRED",
    "END_LOCKED",
    "ERASE",
    "GET",
    "GET_MANY",
    "GET_MARK",
    "INSERT",
    "LIMIT_PAUSES",
    "LIST",
    "LOCK_TABLE",
    "LOCK_USER",
    "PUT_MARK",
    "ROLLBACK",
    "SCAN",
    "SELECT_AND_LOCK",
    "SET_BAR",
    "STATS",
    "TOUCH",
    "Rows",
    "Statement",
    "Steps",
]

T = TypeVar("T")


class Statement(NamedTuple):
    """SQL and its parameters."""

    sql: str
    values: Sequence[Any] | Mapping[str, Any] | None = None


Rows = list[tuple[Any, ...]]

Steps = Generator[Sequence[Statement], Sequence[Rows], T]
"""What an operation wants done, step by step: statements that travel together, for the rows of each."""

BEGIN = Statement("BEGIN")
# For a client that goes silent in the middle: others wait for its locks.
LIMIT_PAUSES = Statement("SET LOCAL idle_in_transaction_session_timeout = 5000")
COMMIT = Statement("COMMIT")
ROLLBACK = Statement("ROLLBACK")

_RUNS_OUT_AT = "least(s.seen_at + s.idle_timeout, s.absolute_expires_at)"
_OVER_AT = f"coalesce(s.ended_at, {_RUNS_OUT_AT})"

GET = f"SELECT {COLUMNS} FROM sojourn_session AS s WHERE s.id = %s"
GET_MANY = f"SELECT {COLUMNS} FROM sojourn_session AS s WHERE s.id = ANY(%s::text[])"
LIST = f"""
SELECT {COLUMNS} FROM sojourn_session AS s
WHERE s.realm = %s AND s.user_id = %s AND s.ended_at IS NULL AND s.id > %s AND {_RUNS_OUT_AT} > %s
ORDER BY s.id LIMIT %s
"""
SCAN = f"SELECT {COLUMNS} FROM sojourn_session AS s WHERE s.id > %s ORDER BY s.id LIMIT %s"
STATS = f"""
SELECT count(*) FILTER (WHERE {_OVER_AT} > %(now)s AND ended_at IS NULL), count(ended_at),
    count(DISTINCT user_id) FILTER (WHERE {_OVER_AT} > %(now)s AND ended_at IS NULL), count(*),
    pg_total_relation_size('sojourn_session')
FROM sojourn_session AS s
"""

# Creating

# No row where it was barred. What is inserted alone takes its snapshot once it has its lock on the table: see BAR.
INSERT = """
INSERT INTO sojourn_session
    (id, realm, user_id, seen_at, idle_timeout, absolute_expires_at, ended_at, sweep_at, version, bytes, end_reason,
    secrets, record, data)
SELECT %(id)s, %(realm)s, %(user_id)s, %(seen_at)s::bigint, %(idle_timeout)s::bigint, %(absolute_expires_at)s::bigint,
    %(ended_at)s::bigint, %(sweep_at)s::bigint, %(version)s::bigint, %(bytes)s::integer, %(end_reason)s, %(secrets)s,
    %(record)s::json, %(data)s::jsonb
WHERE NOT EXISTS (SELECT FROM sojourn_bar WHERE realm = %(realm)s AND user_hash = '' AND at > %(began_at)s)
RETURNING 1
"""
# After SELECT_AND_LOCK, whose lock on the table BAR waits for.
BARS = "SELECT user_hash, at FROM sojourn_bar WHERE realm = %s AND user_hash IN ('', %s)"
SET_BAR = """
INSERT INTO sojourn_bar VALUES (%s, %s, %s)
ON CONFLICT (realm, user_hash) DO UPDATE SET at = greatest(sojourn_bar.at, excluded.at)
"""
# Who creates holds a weaker lock until it is done: it is seen by whoever looks after this, or sees the instant itself.
LOCK_TABLE = "LOCK TABLE sojourn_session IN EXCLUSIVE MODE"
# Before any look at the user's sessions: what a statement sees is settled when it begins.
LOCK_USER = f"SELECT pg_advisory_xact_lock({USER_LOCK}, hashtext(%s))"
# In one order, so that two who wait for each other's rows cannot be.
SELECT_AND_LOCK = f"""
SELECT {COLUMNS} FROM sojourn_session AS s
WHERE s.id = %(ends)s OR s.realm = %(realm)s AND s.user_id = %(user_id)s AND s.ended_at IS NULL
ORDER BY s.id FOR UPDATE
"""

# Ending: as sojourn.core.apply.ended.

_ENDED = f"""
    ended_at = least(%(now)s, {_RUNS_OUT_AT}), sweep_at = least(%(now)s, {_RUNS_OUT_AT}), data = '{{}}', bytes = 0,
    end_reason = CASE WHEN {_RUNS_OUT_AT} > %(now)s THEN %(reason)s
        WHEN s.seen_at + s.idle_timeout < s.absolute_expires_at THEN 'idle_timeout' ELSE 'absolute_timeout' END
"""
END = f"""
WITH before AS (
    SELECT {COLUMNS} FROM sojourn_session AS s
    WHERE s.id = %(id)s AND s.realm = %(realm)s AND s.ended_at IS NULL
        AND (NOT %(ran_out)s OR {_RUNS_OUT_AT} <= %(now)s)
    FOR UPDATE
)
UPDATE sojourn_session AS s SET {_ENDED} FROM before WHERE s.id = before.id RETURNING before.*
"""
END_LOCKED = f"UPDATE sojourn_session AS s SET {_ENDED} WHERE s.id = ANY(%(ids)s::text[])"
END_ALL = f"""
UPDATE sojourn_session AS s SET {_ENDED}
WHERE s.realm = %(realm)s AND s.user_id = %(user_id)s AND s.ended_at IS NULL AND s.id IS DISTINCT FROM %(keep)s
RETURNING s.id, {_RUNS_OUT_AT} > %(now)s
"""

# Committing: as sojourn.core.apply.changed.

_SEEN = "seen_at = greatest(s.seen_at, %(seen_at)s), secrets = coalesce(%(new_secrets)s, s.secrets)"
_LIVE = """s.id = %(id)s AND s.ended_at IS NULL
    AND least(greatest(s.seen_at, %(seen_at)s) + s.idle_timeout, s.absolute_expires_at) > %(now)s
    AND (%(old_secrets)s::text IS NULL OR s.secrets = %(old_secrets)s)"""
_ALTERED = "((s.data || %(set)s::jsonb) - %(removed)s::text[])"
_AS_LOADED = "s.data @> %(base)s::jsonb AND NOT s.data ?| %(absent)s::text[]"
# Data over the limit, by an older and wider policy, may always be made smaller.
_ROOM = "greatest(0, %(max_bytes)s - 1 - s.bytes)"
_COUNTERS = f"""
    FROM unnest(%(counters)s::text[], %(by)s::numeric[], %(overheads)s::int[]) AS counter (key, by, overhead),
        LATERAL (SELECT {_ALTERED} ->> key AS old) AS before,
        LATERAL (SELECT CASE WHEN coalesce(old, '0') ~ '^-?[0-9]{{1,99}}$'
            THEN coalesce(old, '0')::numeric + by END AS value) AS after
"""
_SUMS = f"(SELECT jsonb_object_agg(key, value::text) {_COUNTERS})"
# NULL, which is not within any room, where a counter is no integer or would leave ±(2**53 - 1).
_GROWTH = f"""(SELECT CASE WHEN bool_and(coalesce(abs(value) <= {MAX_INTEGER}, false))
    THEN %(growth)s + sum(octet_length(value::text) - coalesce(octet_length(old), -overhead)) END {_COUNTERS})"""

# A crash of the server may take back the touches of its last second: nobody waits for the disk for them.
TOUCH = f"""
UPDATE sojourn_session AS s SET {_SEEN} WHERE {_LIVE}
    AND (%(durable)s OR set_config('synchronous_commit', 'off', true) = 'off')
RETURNING s.version
"""
CHANGE = f"""
UPDATE sojourn_session AS s
SET {_SEEN}, version = s.version + 1, bytes = s.bytes + %(growth)s, data = {_ALTERED}
WHERE {_LIVE} AND {_AS_LOADED} AND %(growth)s <= {_ROOM}
RETURNING s.version
"""
COUNT = f"""
UPDATE sojourn_session AS s
SET {_SEEN}, version = s.version + 1, bytes = s.bytes + {_GROWTH}, data = {_ALTERED} || {_SUMS}
WHERE {_LIVE} AND {_AS_LOADED} AND {_GROWTH} <= {_ROOM}
RETURNING s.version
"""

# Erasing

ERASE = "DELETE FROM sojourn_session WHERE realm = %s AND user_id = %s"

# Marks

PUT_MARK = "INSERT INTO sojourn_mark VALUES (%s, %s, %s) ON CONFLICT DO NOTHING"
GET_MARK = "SELECT id, session_id, ends_at FROM sojourn_mark WHERE id = %s"

# Cleaning up

# Of those that might be over, the dead are ended or deleted and the others put off until they will be: each live
# session is looked at once per idle timeout, and no index needs to know when it was seen.
_PUT_OFF = """
UPDATE sojourn_session AS s SET sweep_at = due.over_at FROM due WHERE s.id = due.id AND due.over_at >= %(before)s
"""
END_EXPIRED = f"""
WITH due AS (
    SELECT s.id, {_RUNS_OUT_AT} AS over_at FROM sojourn_session AS s
    WHERE s.ended_at IS NULL AND s.sweep_at < %(before)s ORDER BY s.sweep_at LIMIT %(batch)s FOR UPDATE SKIP LOCKED
), dead AS (
    SELECT id FROM due WHERE over_at < %(before)s LIMIT %(limit)s
), ended AS (
    UPDATE sojourn_session AS s SET {_ENDED} FROM dead WHERE s.id = dead.id RETURNING s.id
), put_off AS ({_PUT_OFF})
SELECT (SELECT count(*) FROM ended), (SELECT count(*) FROM due)
"""
DELETE_EXPIRED = f"""
WITH due AS (
    SELECT s.id, {_RUNS_OUT_AT} AS over_at FROM sojourn_session AS s
    WHERE s.ended_at IS NULL AND s.sweep_at < %(before)s ORDER BY s.sweep_at LIMIT %(batch)s FOR UPDATE SKIP LOCKED
), gone AS (
    SELECT s.id FROM sojourn_session AS s WHERE s.ended_at < %(before)s ORDER BY s.ended_at LIMIT %(batch)s
    FOR UPDATE SKIP LOCKED
), dead AS (
    SELECT id FROM (SELECT id FROM gone UNION ALL SELECT id FROM due WHERE over_at < %(before)s) AS both_kinds
    LIMIT %(limit)s
), deleted AS (
    DELETE FROM sojourn_session WHERE id IN (SELECT id FROM dead) RETURNING id
), put_off AS ({_PUT_OFF})
SELECT (SELECT count(*) FROM deleted), greatest((SELECT count(*) FROM due), (SELECT count(*) FROM gone))
"""
DELETE_MARKS = """
WITH due AS (SELECT id FROM sojourn_mark WHERE ends_at < %s LIMIT %s),
    gone AS (DELETE FROM sojourn_mark WHERE id IN (SELECT id FROM due) RETURNING id)
SELECT count(*) FROM gone
"""
DELETE_BARS = "DELETE FROM sojourn_bar WHERE at < %s"
