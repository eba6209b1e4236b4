"""The newest entries of a trail: its file, read from the end."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

from sojourn.core.errors import ConfigurationError

from .chain import parse_line

__all__ = ["Newest", "newest"]

LOOKED_AT = 1 << 20


class Newest(NamedTuple):
    """Entries, the newest first, and the byte of the file before which older ones end: 0 where there are none."""

    entries: list[dict[str, Any]]
    before: int


def newest(path: Path, user_id: str = "", before: int = 0, limit: int = 50) -> Newest:
    """The entries about the user, or about anybody, that end before a byte of the file, or at its end.

    At most `limit` of them, and those of a megabyte: where that holds fewer, `before` says where to go on. What was
    rotated away is not looked for. Raises ConfigurationError where the file cannot be read.
    """
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
