"""What is asked of a store, as statements for PostgreSQL: once, for both kinds of store. Generators, without I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sojourn.core.apply import may_be_replaced, may_begin, over_limit
from sojourn.core.cleanup import LEAST_ROWS, next_rows
from sojourn.core.errors import EndReason, SessionEnded, UnreadableRecord
from sojourn.core.record import Record, stand_in
from sojourn.core.store import Applied, Bar, Create, End, Mark, Refused, Stats
from sojourn.core.token import hash_user

from . import statements as sql
from .errors import NO_TABLES, SchemaBehind
from .migrations import SELECT_ENCODINGS, SELECT_NEEDED, SELECT_VERSION, is_newer, judge_encodings, judge_version
from .rows import escaped, readable, record_of, row_of, unescaped
from .statement import Statement, Steps, qualified
from .tables import SELECT_TABLES, judge_tables

__all__ = [
    "bar",
    "create",
    "delete_expired",
    "end",
    "end_all",
    "end_expired",
    "erase",
    "get",
    "get_many",
    "get_mark",
    "of_user",
    "put_mark",
    "require_schema",
    "scan",
    "stats",
]

# For longer no old cookie can be adopted, and no request is under way.
BARRED_FOR = 400 * 86_400_000


def require_schema() -> Steps[str]:
    """The schema with tables that this Sojourn serves. ConfigurationError unless they are there, in UTF-8, ours."""
    [[encodings]] = yield [Statement(SELECT_ENCODINGS)]
    judge_encodings(*encodings)
    [rows] = yield [Statement(SELECT_TABLES)]
    schema = judge_tables(rows)
    if schema is None:
        raise SchemaBehind(NO_TABLES)
    [[(version,)]] = yield [Statement(qualified(SELECT_VERSION, schema, False))]
    needed = 0
    if is_newer(version):
        [[(needed,)]] = yield [Statement(qualified(SELECT_NEEDED, schema, False))]
    judge_version(version, needed)
    return schema


def get(id: str) -> Steps[Record | None]:
    """Store.get."""
    [rows] = yield [Statement(sql.GET, (escaped(id),), often=True)]
    return record_of(rows[0]) if rows else None


def get_many(ids: Sequence[str]) -> Steps[Mapping[str, Record | UnreadableRecord]]:
    """Store.get, for several. One that cannot be read is no matter of the others'."""
    if len(ids) == 1:
        record = yield from get(ids[0])
        return {record.id: record} if record else {}
    [rows] = yield [Statement(sql.GET_MANY, ([escaped(id) for id in ids],), often=True)]
    found: dict[str, Record | UnreadableRecord] = {}
    for row in rows:
        try:
            record = record_of(row)
        except UnreadableRecord as error:
            found[error.id] = error
        else:
            found[record.id] = record
    return found


def create(create: Create) -> Steps[Applied | Refused]:
    """Store.create. A user's new session comes to be alone: nobody else ends or counts the user's meanwhile."""
    record, ends, now = create.record, create.ends, create.now
    insert = Statement(sql.INSERT, row_of(record) | {"began_at": create.began_at}, often=True)
    if ends is None and record.user_id is None:
        [rows] = yield [insert]
        if not rows:
            raise SessionEnded("revoked")
        return Applied(record.version)
    user_id = None if record.user_id is None else escaped(record.user_id)
    user_hash = "" if record.user_id is None else hash_user(record.user_id)
    lock = [] if user_id is None else [Statement(sql.LOCK_USER, (user_id,))]
    which = {
        "ends": escaped(ends.id) if ends else None,
        "realm": record.realm,
        "user_id": user_id if create.limit is not None else None,
    }
    look = [Statement(sql.SELECT_AND_LOCK, which), Statement(sql.BARS, (record.realm, user_hash))]
    *_, rows, bars = yield [sql.BEGIN, sql.LIMIT_PAUSES, *lock, *look]
    records = {record.id: record for record in readable(rows)}
    before = records.pop(ends.id, None) if ends else None
    if ends is not None and not may_be_replaced(before, ends, now):
        return Refused(before)
    instants: dict[str, int] = dict(bars)
    if not may_begin(create, before, instants.get("", 0), instants.get(user_hash, 0)):
        raise SessionEnded("revoked")
    over = _over_limit(create, list(records.values()))
    endings = [_end_locked(over, "limit", now)] if over else []
    if ends is not None:
        endings.append(_end_locked([ends.id], ends.reason, now))
    yield [insert, *endings, sql.COMMIT]
    return Applied(record.version, tuple(over))


def _over_limit(create: Create, records: Sequence[Record]) -> list[str]:
    if create.limit is None or create.record.user_id is None:
        return []
    live = [record for record in records if record.end_reason_at(create.now) is None]
    return [record.id for record in over_limit(live, create.limit)]


def _end_locked(ids: Sequence[str], reason: EndReason, now: int) -> Statement:
    return Statement(sql.END_LOCKED, {"ids": [escaped(id) for id in ids], "reason": reason, "now": now})


def end(end: End) -> Steps[Record | None]:
    """Store.end."""
    ran_out = end.reason in ("idle_timeout", "absolute_timeout")
    values = {"id": escaped(end.id), "realm": end.realm, "reason": end.reason, "now": end.now, "ran_out": ran_out}
    [rows] = yield [Statement(sql.END, values, often=True)]
    if not rows:
        if not ran_out:
            yield [Statement(sql.CONFIRM, (values["id"],))]
        return None
    try:
        return record_of(rows[0])
    except UnreadableRecord:
        yield [Statement(sql.DELETE, (values["id"],))]
        return stand_in(end.id, end.now)


def end_all(user_id: str, reason: EndReason, now: int, keep: str | None, realm: str) -> Steps[Sequence[str]]:
    """Store.end_all."""
    bar = Statement(sql.SET_BAR, (realm, hash_user(user_id), now))
    user_id = escaped(user_id)
    kept = None if keep is None else escaped(keep)
    values = {"user_id": user_id, "realm": realm, "reason": reason, "now": now, "keep": kept}
    lock = Statement(sql.LOCK_USER, (user_id,))
    _, _, _, rows, _ = yield [sql.BEGIN, lock, bar, Statement(sql.END_ALL, values), sql.COMMIT]
    return [unescaped(id) for id, was_live in rows if was_live]


def bar(now: int, realm: str) -> Steps[None]:
    """Store.bar."""
    yield [sql.BEGIN, Statement(sql.LOCK_TABLE), Statement(sql.SET_BAR, (realm, "", now)), sql.COMMIT]


def of_user(user_id: str, now: int, realm: str, after: str, limit: int) -> Steps[Sequence[Record]]:
    """Store.list."""
    return (yield from _page(sql.LIST, {"realm": realm, "user_id": escaped(user_id), "now": now}, after, limit))


def _page(statement: str, values: Mapping[str, Any], after: str, limit: int) -> Steps[list[Record]]:
    """Up to `limit` records from the first one past `after`; none only at the end."""
    while True:
        [rows] = yield [Statement(statement, {**values, "after": escaped(after), "limit": limit})]
        found = readable(rows)
        if found or not rows:
            return found
        after = unescaped(rows[-1][0])


def erase(user_id: str, realm: str) -> Steps[int]:
    """Store.erase. Looks at every row: the index holds live ones alone."""
    [rows] = yield [Statement(sql.ERASE + " RETURNING 1", (realm, escaped(user_id)))]
    return len(rows)


def put_mark(mark: Mark) -> Steps[bool]:
    """Store.put_mark."""
    [rows] = yield [Statement(sql.PUT_MARK, (mark.id, mark.session_id, mark.ends_at))]
    return bool(rows)


def get_mark(id: str) -> Steps[Mark | None]:
    """Store.get_mark."""
    [rows] = yield [Statement(sql.GET_MARK, (id,))]
    return Mark(*rows[0]) if rows else None


def put_bar(bar: Bar) -> Steps[None]:
    """Store.put_bar. As writers wait for `bar`, they wait for it."""
    lock = Statement(sql.LOCK_TABLE)
    yield [sql.BEGIN, lock, Statement(sql.SET_BAR, (bar.realm, bar.user, bar.at)), sql.COMMIT]


def marks(after: str, limit: int) -> Steps[Sequence[Mark]]:
    """Store.marks."""
    [rows] = yield [Statement(sql.MARKS, (after, limit))]
    return [Mark(*row) for row in rows]


def bars(after: str, limit: int) -> Steps[Sequence[Bar]]:
    """Store.bars."""
    [rows] = yield [Statement(sql.ALL_BARS, (after, limit))]
    return [Bar(*row) for row in rows]


def end_expired(now: int, limit: int) -> Steps[int]:
    """Store.end_expired. Each statement is a transaction."""
    values = {"now": now, "before": now + 1, "reason": "idle_timeout"}
    total = yield from _in_batches(sql.END_EXPIRED, values, limit)
    [[(marks,)]] = yield [Statement(sql.DELETE_MARKS, (now, limit - total))]
    return total + int(marks)


def delete_expired(before: int, limit: int) -> Steps[int]:
    """Store.delete_expired. Each statement is a transaction."""
    total = yield from _in_batches(sql.DELETE_EXPIRED, {"before": before}, limit)
    if total < limit:
        yield [Statement(sql.DELETE_BARS, (before - BARRED_FOR,))]
    return total


def _in_batches(statement: str, values: Mapping[str, Any], limit: int) -> Steps[int]:
    total, rows = 0, LEAST_ROWS
    while total < limit:
        asked = {**values, "batch": rows, "limit": limit - total}
        [[(done, looked_at, held)]] = yield [Statement(statement, asked)]
        total += done
        if looked_at < rows:
            break
        rows = next_rows(rows, float(held))
    return total


def scan(after: str, limit: int) -> Steps[Sequence[Record]]:
    """Store.scan."""
    return (yield from _page(sql.SCAN, {}, after, limit))


def stats(now: int) -> Steps[Stats]:
    """Store.stats."""
    [[(live, dead, users, bound, rows, size)]] = yield [Statement(sql.STATS, {"now": now})]
    return Stats(live=live, ended=dead, expired=rows - live - dead, users=users, bound=bound, bytes=size)
