"""What is asked of a store, as SQL inside a transaction that the caller holds: once, for both kinds of store."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from sojourn.core.apply import changed, ended, may_be_replaced, may_end, over_limit
from sojourn.core.errors import EndReason, SessionExists, UnreadableRecord
from sojourn.core.record import Record, stand_in
from sojourn.core.store import Applied, Commit, Create, End, Refused, Stats

from .rows import delete, insert, select, select_all, select_page, update

__all__ = ["commit", "create", "delete_expired", "end", "end_all", "of_user", "scan", "stats"]


def create(create: Create, connection: sqlite3.Connection) -> Applied | Refused:
    """Store.create."""
    record, ends, now = create.record, create.ends, create.now
    before = select(ends.id, connection) if ends else None
    if ends is not None and not may_be_replaced(before, ends, now):
        return Refused(before)
    over = _over_limit(create, connection)
    try:
        insert(connection, record)
    except sqlite3.IntegrityError:
        raise SessionExists from None
    for oldest in over:
        update(connection, oldest, ended(oldest, "limit", now))
    if ends is not None and before is not None:
        update(connection, before, ended(before, ends.reason, now))
    return Applied(record.version, tuple([oldest.id for oldest in over]))


def _over_limit(create: Create, connection: sqlite3.Connection) -> Sequence[Record]:
    limit, user_id = create.limit, create.record.user_id
    if limit is None or user_id is None:
        return []
    leaves = create.ends.id if create.ends else None
    live = [record for record in of_user(user_id, create.now, connection) if record.id != leaves]
    return over_limit(live, limit)


def commit(commit: Commit, connection: sqlite3.Connection) -> Applied | Refused:
    """Store.commit."""
    before = select(commit.id, connection)
    after = changed(before, commit) if before else None
    if before is None or after is None:
        return Refused(before)
    update(connection, before, after)
    return Applied(after.version)


def end(end: End, connection: sqlite3.Connection) -> Record | None:
    """Store.end. A row that cannot be read is deleted."""
    try:
        before = select(end.id, connection)
    except UnreadableRecord:
        delete(connection, end.id)
        return stand_in(end.id, end.now)
    if before is None or not may_end(before, end):
        return None
    update(connection, before, ended(before, end.reason, end.now))
    return before


def end_all(
    user_id: str, reason: EndReason, now: int, keep: str | None, connection: sqlite3.Connection
) -> Sequence[str]:
    """Store.end_all."""
    where = "WHERE user_id = ? AND ended_at IS NULL AND id IS NOT ?"
    records, unreadable = select_all(connection, where, (user_id, keep))
    for record in records:
        update(connection, record, ended(record, reason, now))
    for id in unreadable:
        delete(connection, id)
    return [record.id for record in records if record.end_reason_at(now) is None] + unreadable


def of_user(user_id: str, now: int, connection: sqlite3.Connection) -> Sequence[Record]:
    """Store.list."""
    where = "WHERE user_id = ? AND ended_at IS NULL AND expires_at > ?"
    return sorted(select_all(connection, where, (user_id, now))[0], key=lambda record: -record.seen_at)


def delete_expired(before: int, limit: int, connection: sqlite3.Connection) -> int:
    """Store.delete_expired."""
    ids = connection.execute("SELECT id FROM session WHERE expires_at < ? LIMIT ?", (before, limit)).fetchall()
    connection.executemany("DELETE FROM session WHERE id = ?", ids)
    return len(ids)


def scan(after: str, limit: int, connection: sqlite3.Connection) -> Sequence[Record]:
    """Store.scan."""
    return select_page(connection, after, limit)


def stats(now: int, connection: sqlite3.Connection) -> Stats:
    """Store.stats."""
    live, dead, users, rows = connection.execute(
        "SELECT count(*) FILTER (WHERE ended_at IS NULL AND expires_at > ?1), count(ended_at), "
        "count(DISTINCT user_id) FILTER (WHERE ended_at IS NULL AND expires_at > ?1), count(*) FROM session",
        (now,),
    ).fetchone()
    pages = connection.execute("PRAGMA page_count").fetchone()[0] * connection.execute("PRAGMA page_size").fetchone()[0]
    return Stats(live=live, ended=dead, expired=rows - live - dead, users=users, bytes=pages)
