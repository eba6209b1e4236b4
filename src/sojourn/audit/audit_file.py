"""AuditFile: the trail as a file of JSON lines, that several processes of one machine write to."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sojourn.core.errors import ConfigurationError

from .chain import START, Link, chained, parse_line
from .entry import Entry
from .trail import AuditTrail, milliseconds, writing

__all__ = ["AuditFile", "chain_path", "read_chain"]

logger = logging.getLogger("sojourn")

TAIL = 4096
# One line that never changes its length: who reads it without the lock finds the old or the new.
CHAIN_LENGTH = 128


class AuditFile(AuditTrail):
    """Writes who did what to sessions to the file at `path`, one JSON object a line: a manager's `on_event`.

    Each entry holds the hash of the one before, so that `sojourn audit verify` notices one that was removed, changed or
    moved. `path` with `.chain` behind it holds the last hash, so that the chain goes on where another program rotates
    the file. Several processes of one machine may write to it. It holds no token. An entry costs a lock, a look at the
    file and two writes, in the thread that calls, and is not waited for to reach the disk. Raises ConfigurationError
    where it cannot be written. `clock`, in Unix milliseconds, is for what is noted.
    """

    def __init__(self, path: str | os.PathLike[str], *, clock: Callable[[], int] = milliseconds) -> None:
        super().__init__(clock)
        self.path = Path(path)
        self._opened_by = 0
        self._chain = self._file = -1
        # What was last written here, and how long the file was then.
        self._last: tuple[int, int, Link] | None = None
        with self._alone():
            self._find()

    def append(self, entry: Entry) -> None:
        """Write an entry that was made already. Raises OSError where it cannot be written."""
        with self._alone():
            size = self._find()
            line, link = chained(entry, self._before(size))
            try:
                written = os.write(self._file, line)
            except OSError:
                os.ftruncate(self._file, size)
                raise
            if written < len(line):
                # Half a line is no entry, and would spoil the next one too.
                os.ftruncate(self._file, size)
                raise OSError(f"The audit trail {self.path} takes no more: is the disk full?")
            self._last = (os.fstat(self._file).st_ino, size + written, link)
            _write_chain(self._chain, link)

    def close(self) -> None:
        """Let go of the files."""
        with writing:
            self._close()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """While no other thread or process writes."""
        try:
            import fcntl
        except ImportError:
            raise ConfigurationError("The audit trail in a file is for Unix: Linux, macOS, BSD.") from None
        with writing:
            if self._opened_by != os.getpid():
                # What a fork copied shares its lock with the parent, which then locks out neither.
                self._close()
                self._chain = self._open(chain_path(self.path), os.O_RDWR)
                self._opened_by = os.getpid()
            fcntl.flock(self._chain, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.flock(self._chain, fcntl.LOCK_UN)

    def _find(self) -> int:
        """Have the file open that is at the path now, whatever was rotated away; how long it is."""
        if self._file >= 0:
            mine = os.fstat(self._file)
            try:
                there = self.path.stat()
                if (there.st_dev, there.st_ino) == (mine.st_dev, mine.st_ino):
                    return mine.st_size
            except FileNotFoundError:
                pass
            os.close(self._file)
        self._file = self._open(self.path, os.O_RDWR | os.O_APPEND)
        return os.fstat(self._file).st_size

    def _before(self, size: int) -> Link:
        """The entry that the next one follows."""
        if self._last is not None and self._last[:2] == (os.fstat(self._file).st_ino, size):
            return self._last[2]
        kept = read_chain(self._chain) or START
        line = self._last_line(size)
        entry = parse_line(line) if line else None
        # A process may have been killed between the two writes.
        there = Link(entry["n"], entry["hash"]) if entry is not None else START
        return max(kept, there, key=lambda link: link.n)

    def _last_line(self, size: int) -> bytes:
        """The last whole line. What stands behind it, after a loss of power, is cut off."""
        length = TAIL
        while True:
            tail = os.pread(self._file, min(length, size), max(0, size - length))
            whole, newline, torn = tail.rpartition(b"\n")
            if newline and torn:
                logger.warning("the audit trail %s ended in half an entry, which was cut off", self.path)
                os.ftruncate(self._file, size - len(torn))
            if b"\n" in whole or length >= size:
                return whole.rpartition(b"\n")[2]
            length *= 2

    def _open(self, path: Path, flags: int) -> int:
        try:
            return os.open(path, flags | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ConfigurationError(
                f"The audit trail {path} cannot be written: {error.strerror}. Whoever writes to it needs {self.path}, "
                f"and {chain_path(self.path).name} beside it."
            ) from None

    def _close(self) -> None:
        for handle in (self._chain, self._file):
            if handle >= 0:
                os.close(handle)
        self._chain = self._file = -1
        self._opened_by, self._last = 0, None


def chain_path(path: Path) -> Path:
    """Where the last link of a trail is kept."""
    return path.with_name(f"{path.name}.chain")


def read_chain(handle: int) -> Link | None:
    """The last link that was written down; None where none was."""
    try:
        held = json.loads(os.pread(handle, CHAIN_LENGTH, 0))
        return Link(int(held["n"]), str(held["hash"]))
    except (ValueError, KeyError, TypeError):
        return None


def _write_chain(handle: int, link: Link) -> None:
    os.pwrite(handle, json.dumps(link._asdict()).encode().ljust(CHAIN_LENGTH - 1) + b"\n", 0)
