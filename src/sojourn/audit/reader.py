"""TrailReader: the lines of a trail as they come, from where another one left off, and across rotations."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO

from sojourn.core.errors import ConfigurationError

__all__ = ["TrailReader"]

PIECE = 1 << 18


class TrailReader:
    """Reads the trail at `path`. `inode` and `offset` say how far it has come: in which file, and behind which byte."""

    def __init__(self, path: Path, inode: int = 0, offset: int = 0) -> None:
        self._path = path
        self.inode, self.offset = inode, offset
        self._file: IO[bytes] | None = None

    def read(self) -> list[bytes]:
        """New lines that are whole, if there are any. Raises ConfigurationError where they cannot be read."""
        while True:
            if self._file is None and not self._open():
                return []
            lines = self._new_lines()
            if lines or not self._was_rotated():
                return lines
            # Another look, as it may have been written to until just now.
            lines = self._new_lines()
            self.rewind()
            if lines:
                return lines

    def rewind(self) -> None:
        """Begin anew with the file that is at the path now."""
        self.close()
        self.inode = self.offset = 0

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()
        self._file = None

    def _new_lines(self) -> list[bytes]:
        assert self._file is not None
        self._file.seek(self.offset)
        size, whole = PIECE, b""
        while not whole and (piece := self._file.read(size)):
            whole = piece[: piece.rfind(b"\n") + 1]
            if len(piece) < size:
                break
            self._file.seek(self.offset)
            size *= 2
        self.offset += len(whole)
        return whole.splitlines(keepends=True)

    def _open(self) -> bool:
        for path in self._candidates():
            try:
                file = path.open("rb")
            except FileNotFoundError:
                continue
            except OSError as error:
                raise ConfigurationError(f"The audit trail {path} cannot be read: {error.strerror}.") from None
            status = os.fstat(file.fileno())
            if self.inode not in (0, status.st_ino) or status.st_size < self.offset:
                if path != self._path:
                    file.close()
                    continue
                self.offset = 0
            self.inode, self._file = status.st_ino, file
            return True
        return False

    def _candidates(self) -> list[Path]:
        """Where the file may be that was read from last: it may have been renamed since."""
        if not self.inode:
            return [self._path]
        there = self._path.exists() and self._path.stat().st_ino == self.inode
        renamed = [] if there else sorted(self._path.parent.glob(f"{self._path.name}*"))
        return [*(path for path in renamed if path.stat().st_ino == self.inode), self._path]

    def _was_rotated(self) -> bool:
        assert self._file is not None
        try:
            there = self._path.stat()
        except FileNotFoundError:
            return False  # the next entry makes it
        return there.st_ino != self.inode or there.st_size < self.offset
