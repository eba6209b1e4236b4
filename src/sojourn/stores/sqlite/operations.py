"""What is asked of a store, as SQL inside a transaction that the caller holds: once, for both kinds of store."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable, Sequence

from msgspec import structs

from sojourn.core.apply import changed, ended, may_be_replaced, may_begin, may_end, over_limit
from sojourn.core.cleanup import HELD_FOR, LEAST_ROWS
from sojourn.core.errors import EndReason, SessionEnded, SessionExists, UnreadableRecord
from sojourn.core.record import Record, stand_in
from sojourn.core.store import Applied, Bar, Commit, Create, End, Mark, Refused, Stats
from sojourn.core.token import hash_user

from .rows import delete, insert, select, select_all, select_page, update

__all__ = [
    "bar",
    "commit",
    "create",
    "delete_expired",
    "end",
    "end_all",
    "end_expired",
    "erase",
    "get_mark",
    "of_user",
    "put_mark",
    "scan",
    "stats",
]

logger = logging.getLogger("sojourn")

# For longer no old cookie can be adopted, and no request is under way.
BARRED_FOR = 400 * 86_400_000


def create(create: Create, connection: sqlite3.Connection) -> Applied | Refused:
    """Store.create."""
    record, ends, now = create.record, create.ends, create.now
    before = select(ends.id, connection) if ends else None
    if ends is not None and not may_be_replaced(before, ends, now):
        return Refused(before)
    _require_begun_in_time(create, before, connection)
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


def _require_begun_in_time(create: Create, before: Record | None, connection: sqlite3.Connection) -> None:
    record = create.record
    user = hash_user(record.user_id) if record.user_id is not None else ""
    rows = connection.execute("SELECT user, at FROM bar WHERE realm = ? AND user IN ('', ?)", (record.realm, user))
    bars = dict(rows.fetchall())
    if not may_begin(create, before, bars.get("", 0), bars.get(user, 0)):
        raise SessionEnded("revoked")


def _over_limit(create: Create, connection: sqlite3.Connection) -> Sequence[Record]:
    limit, record = create.limit, create.record
    if limit is None or record.user_id is None:
        return []
    leaves = create.ends.id if create.ends else None
    live = [each for each in _live_of(record.user_id, record.realm, create.now, connection) if each.id != leaves]
    return over_limit(live, limit)


def _live_of(user_id: str, realm: str, now: int, connection: sqlite3.Connection) -> Sequence[Record]:
    where = "WHERE realm = ? AND user_id = ? AND ended_at IS NULL AND expires_at > ?"
    return select_all(connection, where, (realm, user_id, now))[0]


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
        deleted = connection.execute("DELETE FROM session WHERE id = ? AND realm = ?", (end.id, end.realm)).rowcount
        return stand_in(end.id, end.now) if deleted else None
    if before is None or not may_end(before, end):
        return None
    update(connection, before, ended(before, end.reason, end.now))
    return before


def end_all(
    user_id: str, reason: EndReason, now: int, keep: str | None, realm: str, connection: sqlite3.Connection
) -> Sequence[str]:
    """Store.end_all."""
    _bar(realm, hash_user(user_id), now, connection)
    where = "WHERE realm = ? AND user_id = ? AND ended_at IS NULL AND id IS NOT ?"
    records, unreadable = select_all(connection, where, (realm, user_id, keep))
    for record in records:
        update(connection, record, ended(record, reason, now))
    delete(connection, unreadable)
    return [record.id for record in records if record.end_reason_at(now) is None] + unreadable


def bar(now: int, realm: str, connection: sqlite3.Connection) -> None:
    """Store.bar."""
    _bar(realm, "", now, connection)


def _bar(realm: str, user: str, now: int, connection: sqlite3.Connection) -> None:
    connection.execute(
        "INSERT INTO bar (realm, user, at) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET at = max(at, excluded.at)",
        (realm, user, now),
    )


def of_user(
    user_id: str, now: int, realm: str, after: str, limit: int, connection: sqlite3.Connection
) -> Sequence[Record]:
    """Store.list."""
    where = "realm = ? AND user_id = ? AND ended_at IS NULL AND expires_at > ?"
    return select_page(connection, where, (realm, user_id, now), after, limit)


def erase(user_id: str, realm: str, connection: sqlite3.Connection) -> int:
    """Store.erase. Looks at every row: the index holds live ones alone."""
    return connection.execute("DELETE FROM session WHERE realm = ? AND user_id = ?", (realm, user_id)).rowcount


def put_mark(mark: Mark, connection: sqlite3.Connection) -> bool:
    """Store.put_mark."""
    statement = "INSERT INTO mark (id, session_id, ends_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
    return connection.execute(statement, structs.astuple(mark)).rowcount == 1


def get_mark(id: str, connection: sqlite3.Connection) -> Mark | None:
    """Store.get_mark."""
    row = connection.execute("SELECT id, session_id, ends_at FROM mark WHERE id = ?", (id,)).fetchone()
    return Mark(*row) if row else None


def put_bar(bar: Bar, connection: sqlite3.Connection) -> None:
    """Store.put_bar."""
    _bar(bar.realm, bar.user, bar.at, connection)


def marks(after: str, limit: int, connection: sqlite3.Connection) -> Sequence[Mark]:
    """Store.marks."""
    rows = connection.execute(
        "SELECT id, session_id, ends_at FROM mark WHERE id > ? ORDER BY id LIMIT ?", (after, limit)
    )
    return [Mark(*row) for row in rows]


def bars(after: str, limit: int, connection: sqlite3.Connection) -> Sequence[Bar]:
    """Store.bars."""
    of_id = "realm || ':' || user"
    rows = connection.execute(
        f"SELECT realm, user, at FROM bar WHERE {of_id} > ? ORDER BY {of_id} LIMIT ?",
        (after, limit),
    )
    return [Bar(*row) for row in rows]


def end_expired(now: int, limit: int, connection: sqlite3.Connection) -> int:
    """Store.end_expired. Rows that cannot be read are deleted."""

    def end(id: str) -> None:
        try:
            record = select(id, connection)
        except UnreadableRecord as error:
            logger.warning("%s", error)
            delete(connection, [id])
            return
        if record is not None:
            update(connection, record, ended(record, "idle_timeout", now))

    gone = _one_by_one(connection, "SELECT id FROM session WHERE ended_at IS NULL AND expires_at <= ?", now, limit, end)
    marks = connection.execute("SELECT id FROM mark WHERE ends_at < ? LIMIT ?", (now, limit - gone)).fetchall()
    connection.executemany("DELETE FROM mark WHERE id = ?", marks)
    return gone + len(marks)


def delete_expired(before: int, limit: int, connection: sqlite3.Connection) -> int:
    """Store.delete_expired."""
    which = "SELECT id FROM session WHERE expires_at < ?"
    gone = _one_by_one(connection, which, before, limit, lambda id: delete(connection, [id]))
    if not gone:
        connection.execute("DELETE FROM bar WHERE at < ?", (before - BARRED_FOR,))
    return gone


def _one_by_one(connection: sqlite3.Connection, which: str, at: int, limit: int, do: Callable[[str], None]) -> int:
    """`do` it with up to `limit` rows, and with no more once the others have waited long; with how many it was done."""
    ids = connection.execute(which + " LIMIT ?", (at, limit)).fetchall()
    began, done = time.monotonic(), 0
    for (id,) in ids:
        # Looked at seldom: it is a row on a cold page that takes long, not the clock.
        if done and done % LEAST_ROWS == 0 and time.monotonic() - began > HELD_FOR:
            break
        do(id)
        done += 1
    return done


def scan(after: str, limit: int, connection: sqlite3.Connection) -> Sequence[Record]:
    """Store.scan."""
    return select_page(connection, "true", (), after, limit)


def stats(now: int, connection: sqlite3.Connection) -> Stats:
    """Store.stats."""
    live, dead, users, bound, rows = connection.execute(
        "SELECT count(*) FILTER (WHERE ended_at IS NULL AND expires_at > :now), count(ended_at), "
        "count(DISTINCT user_id) FILTER (WHERE ended_at IS NULL AND expires_at > :now), "
        # In a value its quotes are escaped; and what is no JSON must not fail the count of all others.
        "count(*) FILTER (WHERE ended_at IS NULL AND expires_at > :now AND "
        "(instr(record, '\"key_thumbprint\":') OR instr(record, '\"key\":'))), "
        "count(*) FROM session",
        {"now": now},
    ).fetchone()
    pages = connection.execute("PRAGMA page_count").fetchone()[0] * connection.execute("PRAGMA page_size").fetchone()[0]
    return Stats(live=live, ended=dead, expired=rows - live - dead, users=users, bound=bound, bytes=pages)
