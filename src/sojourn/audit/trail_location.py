"""Location: where a trail is kept: the path of a file, or a store's URL."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from .audit_file import AuditFile
from .reader import TrailReader
from .trail import AuditTrail

if TYPE_CHECKING:
    from .outbox import Cursor
    from .table import Table

__all__ = ["Reader", "is_url", "open_reader", "open_trail"]

PAGE = 500

_is_url = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:").match


class Reader(Protocol):
    """Lines of a trail as they come. `inode` and `offset` say how far it has come, where it is a file."""

    inode: int
    offset: int

    def read(self) -> list[bytes]:
        """New lines that are whole, if there are any."""

    def rewind(self) -> None:
        """Begin anew."""

    def close(self) -> None:
        """Let go of files and connections."""


class TableReader:
    """Reads the entries of a table past the number `after`."""

    inode = offset = 0

    def __init__(self, table: Table, after: int) -> None:
        self._table, self._after = table, after

    def read(self) -> list[bytes]:
        """As Reader.read."""
        rows = self._table.read(self._after, PAGE)
        self._after = rows[-1][0] if rows else self._after
        return [f"{entry}\n".encode() for _, entry in rows]

    def rewind(self) -> None:
        """As Reader.rewind."""
        self._after = 0

    def close(self) -> None:
        """As Reader.close."""
        self._table.close()


def is_url(location: str) -> bool:
    """Whether a trail is kept in a store. A file whose name has such a beginning is ./written:so."""
    return bool(_is_url(location))


def open_trail(location: str) -> AuditTrail:
    """The trail there, to be written. Raises ConfigurationError where it cannot be."""
    if is_url(location):
        from .table import AuditTable  # here: a file needs neither an event loop nor a driver

        return AuditTable(location)
    return AuditFile(location)


def open_reader(location: str, cursor: Cursor | None = None) -> Reader:
    """The lines of the trail there, from where another reader left off. Makes none."""
    n, inode, offset = cursor or (0, 0, 0)
    if is_url(location):
        from .table import TableURL, open_table

        return TableReader(open_table(TableURL.parse(location), make=False), n)
    return TrailReader(Path(location), inode, offset)
