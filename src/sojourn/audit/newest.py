"""The newest entries of a trail, read from its end."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

from sojourn.core.errors import ConfigurationError

from .audit_file import AuditFile
from .chain import parse_line
from .table import AuditTable, Table
from .trail import AuditTrail

__all__ = ["Newest", "newest"]

LOOKED_AT = 1 << 20
ROWS_LOOKED_AT = 2000
NEWER_THAN_ALL = 2**63 - 1


class Newest(NamedTuple):
    """Entries, the newest first, and where older ones end: a byte of the file or a number; 0 where there are none."""

    entries: list[dict[str, Any]]
    before: int


def newest(trail: AuditTrail, user_id: str = "", before: int = 0, limit: int = 50) -> Newest:
    """The entries about the user, or about anybody, that stand before `before`, or the newest of all.

    At most `limit` of them, and those of a megabyte or 2,000 rows: where that holds fewer, `before` says where to go
    on. What was rotated away is not looked for. Raises ConfigurationError where a file cannot be read.
    """
    if isinstance(trail, AuditFile):
        return _of_file(trail.path, user_id, before, limit)
    assert isinstance(trail, AuditTable)
    return _of_table(trail.table, user_id, before, limit)


def _of_table(table: Table, user_id: str, before: int, limit: int) -> Newest:
    rows = table.read_back(before or NEWER_THAN_ALL, ROWS_LOOKED_AT)
    found: list[dict[str, Any]] = []
    for n, line in rows:
        entry = parse_line(line)
        if entry is not None and user_id in ("", entry.get("user_id")):
            found.append(entry)
        if len(found) == limit:
            return Newest(found, n)
    return Newest(found, rows[-1][0] if len(rows) == ROWS_LOOKED_AT else 0)


def _of_file(path: Path, user_id: str, before: int, limit: int) -> Newest:
    try:
        with path.open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            end = min(before, end) if before else end
            start = max(0, end - LOOKED_AT)
            file.seek(start)
            lines = file.read(end - start).splitlines(keepends=True)
    except OSError as error:
        raise ConfigurationError(f"The audit trail {path} cannot be read: {error.strerror}.") from None
    if start and len(lines) > 1:
        start += len(lines.pop(0))  # the end of a line that began before
    found: list[dict[str, Any]] = []
    while lines and len(found) < limit:
        line = lines.pop()
        end -= len(line)
        entry = parse_line(line)
        if entry is not None and user_id in ("", entry.get("user_id")):
            found.append(dict(entry))
    return Newest(found, end if lines else start)
