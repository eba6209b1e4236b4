"""The SQL, once for both kinds of store. Every condition of a write is in the write itself.

PostgreSQL looks at a row that another transaction has just changed again, newest version and all conditions, before it
updates it (READ COMMITTED): so two writers are judged one after the other, and neither has to try again.

Tables and functions are named with their schema, and operators meet the very types that they are for: no search_path
leads to somebody else's.
"""

from __future__ import annotations

import re

from sojourn.core.codec import MAX_INTEGER

from .rows import COLUMNS
from .schema import USER_LOCK
from .statement import Statement

__all__ = [
    "BARS",
    "BEGIN",
    "CHANGE",
    "CHANGE_MANY",
    "COMMIT",
    "CONFIRM",
    "COUNT",
    "DELETE",
    "DELETE_BARS",
    "DELETE_EXPIRED",
    "DELETE_MARKS",
    "END",
    "END_ALL",
    "END_EXPIRED",
    "END_LOCKED",
    "ERASE",
    "FLUSH",
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
]

BEGIN = Statement("BEGIN")
# For a client that goes silent in the middle: others wait for its locks.
LIMIT_PAUSES = Statement("SET LOCAL idle_in_transaction_session_timeout = 5000")
COMMIT = Statement("COMMIT")
ROLLBACK = Statement("ROLLBACK")
# Waits until all that was committed before is on disk, as a commit does: it writes a word to the log.
FLUSH = Statement("SELECT pg_catalog.pg_logical_emit_message(true, '', '')")

_RUNS_OUT_AT = "least(s.seen_at + s.idle_timeout, s.absolute_expires_at)"
_OVER_AT = f"coalesce(s.ended_at, {_RUNS_OUT_AT})"

GET = f"SELECT {COLUMNS} FROM ours.sojourn_session AS s WHERE s.id = %s"
GET_MANY = f"SELECT {COLUMNS} FROM ours.sojourn_session AS s WHERE s.id = ANY(%s::text[])"
LIST = f"""
SELECT {COLUMNS} FROM ours.sojourn_session AS s
WHERE s.realm = %(realm)s AND s.user_id = %(user_id)s AND s.ended_at IS NULL AND s.id > %(after)s
    AND {_RUNS_OUT_AT} > %(now)s
ORDER BY s.id LIMIT %(limit)s
"""
DELETE = "DELETE FROM ours.sojourn_session WHERE id = %s"
SCAN = f"SELECT {COLUMNS} FROM ours.sojourn_session AS s WHERE s.id > %(after)s ORDER BY s.id LIMIT %(limit)s"
STATS = f"""
SELECT pg_catalog.count(*) FILTER (WHERE {_OVER_AT} > %(now)s AND ended_at IS NULL), pg_catalog.count(ended_at),
    pg_catalog.count(DISTINCT user_id) FILTER (WHERE {_OVER_AT} > %(now)s AND ended_at IS NULL),
    pg_catalog.count(*) FILTER (
        WHERE {_OVER_AT} > %(now)s AND ended_at IS NULL AND (
            record OPERATOR(pg_catalog.->>) 'key_thumbprint' IS NOT NULL OR pg_catalog.strpos(secrets, '"key":') > 0
        )
    ),
    pg_catalog.count(*),
    coalesce(pg_catalog.pg_total_relation_size(pg_catalog.min(s.tableoid)), 0)
FROM ours.sojourn_session AS s
"""

# Creating

# No row where it was barred. What is inserted alone takes its snapshot once it has its lock on the table: see BAR.
INSERT = """
INSERT INTO ours.sojourn_session
    (id, realm, user_id, seen_at, idle_timeout, absolute_expires_at, ended_at, sweep_at, version, bytes, end_reason,
    secrets, record, data)
SELECT %(id)s, %(realm)s, %(user_id)s, %(seen_at)s::bigint, %(idle_timeout)s::bigint, %(absolute_expires_at)s::bigint,
    %(ended_at)s::bigint, %(sweep_at)s::bigint, %(version)s::bigint, %(bytes)s::integer, %(end_reason)s, %(secrets)s,
    %(record)s::json, %(data)s::jsonb
WHERE NOT EXISTS (SELECT FROM ours.sojourn_bar WHERE realm = %(realm)s AND user_hash = '' AND at > %(began_at)s)
RETURNING 1
"""
# After SELECT_AND_LOCK, whose lock on the table BAR waits for.
BARS = "SELECT user_hash, at FROM ours.sojourn_bar WHERE realm = %s AND user_hash IN ('', %s)"
SET_BAR = """
INSERT INTO ours.sojourn_bar (realm, user_hash, at) VALUES (%s, %s, %s)
ON CONFLICT (realm, user_hash) DO UPDATE SET at = greatest(ours.sojourn_bar.at, excluded.at)
"""
# Who creates holds a weaker lock until it is done: it is seen by whoever looks after this, or sees the instant itself.
LOCK_TABLE = "LOCK TABLE ours.sojourn_session IN EXCLUSIVE MODE"
# Before any look at the user's sessions: what a statement sees is settled when it begins.
LOCK_USER = f"SELECT pg_catalog.pg_advisory_xact_lock({USER_LOCK}, pg_catalog.hashtext(%s))"
# In one order, so that two who wait for each other's rows cannot be.
SELECT_AND_LOCK = f"""
SELECT {COLUMNS} FROM ours.sojourn_session AS s
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
    SELECT {COLUMNS} FROM ours.sojourn_session AS s
    WHERE s.id = %(id)s AND s.realm = %(realm)s AND s.ended_at IS NULL
        AND (NOT %(ran_out)s OR {_RUNS_OUT_AT} <= %(now)s)
    FOR UPDATE
)
UPDATE ours.sojourn_session AS s SET {_ENDED} FROM before WHERE s.id = before.id RETURNING before.*
"""
# One that ended before: a standby that must have it may not, if whoever ended it did not wait that long. A commit that
# comes later waits for both.
CONFIRM = "UPDATE ours.sojourn_session SET sweep_at = sweep_at WHERE id = %s AND ended_at IS NOT NULL"
END_LOCKED = f"UPDATE ours.sojourn_session AS s SET {_ENDED} WHERE s.id = ANY(%(ids)s::text[])"
END_ALL = f"""
UPDATE ours.sojourn_session AS s SET {_ENDED}
WHERE s.realm = %(realm)s AND s.user_id = %(user_id)s AND s.ended_at IS NULL AND s.id IS DISTINCT FROM %(keep)s
RETURNING s.id, {_RUNS_OUT_AT} > %(now)s
"""

# Committing: as sojourn.core.apply.changed.

# Not beyond this commit's own time: a clock that was ahead would make the idle timeout come late.
_SEEN = """
    seen_at = CASE WHEN %(seen_at)s::bigint IS NULL THEN s.seen_at
        ELSE least(greatest(s.seen_at, %(seen_at)s), %(now)s) END,
    secrets = coalesce(%(new_secrets)s, s.secrets)"""
_LIVE = """s.id = %(id)s AND s.ended_at IS NULL
    AND least(greatest(s.seen_at, %(seen_at)s) + s.idle_timeout, s.absolute_expires_at) > %(now)s
    AND (%(old_secrets)s::text IS NULL OR s.secrets = %(old_secrets)s)"""
_ALTERED = "((s.data || %(set)s::jsonb) - %(removed)s::text[])"
_AS_LOADED = "s.data @> %(base)s::jsonb AND NOT s.data ?| %(absent)s::text[]"
# Data over the limit, by an older and wider policy, may always be made smaller.
_ROOM = "greatest(0, %(max_bytes)s - 1 - s.bytes)"
_COUNTERS = f"""
    FROM ROWS FROM (pg_catalog.unnest(%(counters)s::text[]), pg_catalog.unnest(%(by)s::numeric[]),
            pg_catalog.unnest(%(overheads)s::int[])) AS counter (key, by, overhead),
        LATERAL (SELECT {_ALTERED} ->> key AS old) AS before,
        LATERAL (SELECT CASE WHEN coalesce(old, '0') ~ '^-?[0-9]{{1,99}}$'
            THEN coalesce(old, '0')::numeric + by END AS value) AS after
"""
_SUMS = f"(SELECT pg_catalog.jsonb_object_agg(key, value::text) {_COUNTERS})"
# NULL, which is not within any room, where a counter is no integer or would leave ±(2**53 - 1).
_GROWTH = f"""(SELECT CASE WHEN pg_catalog.bool_and(coalesce(pg_catalog.abs(value) <= {MAX_INTEGER}::numeric, false))
    THEN %(growth)s + pg_catalog.sum(pg_catalog.octet_length(value::text)
        - coalesce(pg_catalog.octet_length(old), -overhead)) END {_COUNTERS})"""

# What a crash of the server may take back, of its last second: nobody waits for the disk then.
_DURABLE = "(%(durable)s OR pg_catalog.set_config('synchronous_commit', 'off', true) = 'off')"
TOUCH = f"""
UPDATE ours.sojourn_session AS s SET {_SEEN} WHERE {_LIVE} AND {_DURABLE}
RETURNING s.version
"""
_SET_CHANGED = f"{_SEEN}, version = s.version + 1, bytes = s.bytes + %(growth)s, data = {_ALTERED}"
CHANGE = f"""
UPDATE ours.sojourn_session AS s
SET {_SET_CHANGED}
WHERE {_LIVE} AND {_AS_LOADED} AND %(growth)s <= {_ROOM} AND {_DURABLE}
RETURNING s.version
"""
COUNT = f"""
UPDATE ours.sojourn_session AS s
SET {_SEEN}, version = s.version + 1, bytes = s.bytes + {_GROWTH}, data = {_ALTERED} || {_SUMS}
WHERE {_LIVE} AND {_AS_LOADED} AND {_GROWTH} <= {_ROOM} AND {_DURABLE}
RETURNING s.version
"""

# Each is judged as CHANGE does, but those whose row somebody else has: nobody waits for a lock here, so that no two can
# wait for one another, and none for a stranger's.
_OF_EACH = re.sub(r"%\((\w+)\)s", r"c.\1", f"{_LIVE} AND {_AS_LOADED} AND %(growth)s <= {_ROOM}")
_SET_EACH = re.sub(r"%\((\w+)\)s", r"c.\1", _SET_CHANGED)
CHANGE_MANY = f"""
WITH free AS (
    SELECT s.id FROM ours.sojourn_session AS s WHERE s.id = ANY(%(ids)s::text[]) FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE ours.sojourn_session AS s SET {_SET_EACH}
FROM free, pg_catalog.json_to_recordset(%(commits)s::json) AS c (id text, now bigint, seen_at bigint, old_secrets text,
    new_secrets text, base jsonb, absent text[], set jsonb, removed text[], growth bigint, max_bytes bigint)
WHERE s.id = free.id AND {_OF_EACH} AND {_DURABLE}
RETURNING s.id, s.version
"""

# Erasing

ERASE = "DELETE FROM ours.sojourn_session WHERE realm = %s AND user_id = %s"

# Marks

PUT_MARK = """
INSERT INTO ours.sojourn_mark (id, session_id, ends_at) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING
RETURNING id
"""
MARKS = "SELECT id, session_id, ends_at FROM ours.sojourn_mark WHERE id > %s ORDER BY id LIMIT %s"
ALL_BARS = """
SELECT realm, user_hash, at FROM ours.sojourn_bar
WHERE realm || ':' || user_hash > %s ORDER BY realm || ':' || user_hash LIMIT %s
"""
GET_MARK = "SELECT id, session_id, ends_at FROM ours.sojourn_mark WHERE id = %s"

# Cleaning up

# Of those that might be over, the dead are ended or deleted and the others put off until they will be: each live
# session is looked at once per idle timeout, and no index needs to know when it was seen.
_PUT_OFF = """
UPDATE ours.sojourn_session AS s SET sweep_at = due.over_at FROM due WHERE s.id = due.id AND due.over_at >= %(before)s
"""
# Last in its line: how long, in seconds, the rows before it took.
_HELD = "extract(epoch FROM pg_catalog.clock_timestamp() - pg_catalog.statement_timestamp())::float8"
END_EXPIRED = f"""
WITH due AS (
    SELECT s.id, {_RUNS_OUT_AT} AS over_at FROM ours.sojourn_session AS s
    WHERE s.ended_at IS NULL AND s.sweep_at < %(before)s ORDER BY s.sweep_at LIMIT %(batch)s FOR UPDATE SKIP LOCKED
), dead AS (
    SELECT id FROM due WHERE over_at < %(before)s LIMIT %(limit)s
), ended AS (
    UPDATE ours.sojourn_session AS s SET {_ENDED} FROM dead WHERE s.id = dead.id RETURNING s.id
), put_off AS ({_PUT_OFF})
SELECT (SELECT pg_catalog.count(*) FROM ended), (SELECT pg_catalog.count(*) FROM due), {_HELD}
"""
DELETE_EXPIRED = f"""
WITH due AS (
    SELECT s.id, {_RUNS_OUT_AT} AS over_at FROM ours.sojourn_session AS s
    WHERE s.ended_at IS NULL AND s.sweep_at < %(before)s ORDER BY s.sweep_at LIMIT %(batch)s FOR UPDATE SKIP LOCKED
), gone AS (
    SELECT s.id FROM ours.sojourn_session AS s WHERE s.ended_at < %(before)s ORDER BY s.ended_at LIMIT %(batch)s
    FOR UPDATE SKIP LOCKED
), dead AS (
    SELECT id FROM (SELECT id FROM gone UNION ALL SELECT id FROM due WHERE over_at < %(before)s) AS both_kinds
    LIMIT %(limit)s
), deleted AS (
    DELETE FROM ours.sojourn_session WHERE id IN (SELECT id FROM dead) RETURNING id
), put_off AS ({_PUT_OFF})
SELECT (SELECT pg_catalog.count(*) FROM deleted), greatest((SELECT pg_catalog.count(*) FROM due),
    (SELECT pg_catalog.count(*) FROM gone)), {_HELD}
"""
DELETE_MARKS = """
WITH due AS (SELECT id FROM ours.sojourn_mark WHERE ends_at < %s LIMIT %s),
    gone AS (DELETE FROM ours.sojourn_mark WHERE id IN (SELECT id FROM due) RETURNING id)
SELECT pg_catalog.count(*) FROM gone
"""
DELETE_BARS = "DELETE FROM ours.sojourn_bar WHERE at < %s"
