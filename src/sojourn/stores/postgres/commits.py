"""What a commit asks of PostgreSQL, and several at once: as operations.py, without I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from sojourn.core.apply import changed
from sojourn.core.store import Applied, Change, Commit, Refused

from . import statements as sql
from .operations import get
from .rows import cost, encode_data, encode_secrets, escaped, unescaped
from .statement import Statement, Steps

__all__ = ["commit", "commit_many", "is_change", "is_touch"]

_encode = msgspec.json.encode


def commit(commit: Commit, durable: bool) -> Steps[Applied | Refused]:
    """Store.commit. One statement; one that is refused reads once more, for the record as it is.

    `durable`: a change waits for the disk. Renewed secrets always do, and a touch never.
    """
    is_upkeep = not commit.changes and not commit.increments
    values = _values(commit) | {"durable": commit.secrets is not None or (durable and not is_upkeep)}
    if is_upkeep:
        statement = Statement(sql.TOUCH, values, often=True)
    elif not commit.increments:
        statement = Statement(sql.CHANGE, values | _changes(commit), often=True)
    else:
        statement = Statement(sql.COUNT, values | _changes(commit) | _counters(commit.increments), often=True)
    [rows] = yield [statement]
    if rows:
        return Applied(rows[0][0])
    now = yield from get(commit.id)
    if now is not None:
        # Raises DataTooLarge, where that was the reason.
        changed(now, commit)
    return Refused(now)


def commit_many(commits: Sequence[Commit], durable: bool) -> Steps[Mapping[str, Applied]]:
    """Those of the changes that are made, by id: of each session one. The others are to be asked for alone."""
    each = [_values(commit) | _changes(commit) for commit in commits]
    for values in each:
        values |= {"base": msgspec.Raw(values["base"].encode()), "set": msgspec.Raw(values["set"].encode())}
    ids = [values["id"] for values in each]
    statement = Statement(
        sql.CHANGE_MANY, {"ids": ids, "commits": _encode(each).decode(), "durable": False}, often=True
    )
    if durable or any([commit.secrets is not None for commit in commits]):
        # Whoever notifies keeps others from it until its transaction is over: that one does not wait for the disk, and
        # another does, before anybody is answered. In one message, so that no restart of the server comes in between.
        _, _, rows, _, _ = yield [sql.BEGIN, sql.LIMIT_PAUSES, statement, sql.COMMIT, sql.FLUSH]
    else:
        [rows] = yield [statement]
    return {unescaped(id): Applied(version) for id, version in rows}


def _values(commit: Commit) -> dict[str, Any]:
    old, new = commit.secrets or (None, None)
    return {
        "id": escaped(commit.id),
        "now": commit.now,
        "seen_at": commit.seen_at,
        "old_secrets": encode_secrets(old) if old else None,
        "new_secrets": encode_secrets(new) if new else None,
    }


def is_change(commit: Commit) -> bool:
    """Whether it may be made with others: it changes keys, and adds to none."""
    return bool(commit.changes) and not commit.increments


def is_touch(commit: Commit) -> bool:
    """Whether to make it twice is to make it once."""
    return not commit.changes and not commit.increments and commit.secrets is None


def _changes(commit: Commit) -> dict[str, Any]:
    changes: Mapping[str, Change] = commit.changes
    return {
        "base": encode_data({key: each.base for key, each in changes.items() if each.base is not None}),
        "absent": [escaped(key) for key, each in changes.items() if each.base is None],
        "set": encode_data({key: each.value for key, each in changes.items() if each.value is not None}),
        "removed": [escaped(key) for key, each in changes.items() if each.value is None],
        "growth": sum([cost(key, each.value) - cost(key, each.base) for key, each in changes.items()]),
        "max_bytes": commit.max_bytes,
    }


def _counters(increments: Mapping[str, int]) -> dict[str, Any]:
    return {
        "counters": [escaped(key) for key in increments],
        "by": [str(by) for by in increments.values()],
        "overheads": [cost(key, b"") for key in increments],
    }
