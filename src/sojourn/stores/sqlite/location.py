"""Where a session file is: whether it may be trusted, and how it can be opened there."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from sojourn.core.errors import ConfigurationError

__all__ = ["is_read_only", "require_trusted", "uri_of"]


def require_trusted(path: Path) -> None:
    """Raise ConfigurationError for what cannot be a session file, or may be somebody else's.

    Whoever owns the file can make sessions in it. Another user's is refused; to root, who opens for others, only in a
    folder where anybody can put one. So is a symbolic link, as where it leads may change.
    """
    if path.name == ":memory:":
        raise ConfigurationError("A session file is a file. For sessions in memory take the MemoryStore, memory:")
    if not path.parent.is_dir():
        raise ConfigurationError(f"The folder {path.parent} does not exist, so no session file can be made in it.")
    if path.is_symlink():
        raise ConfigurationError(f"{path} is a symbolic link. Give the file itself: {path.resolve()}")
    if not hasattr(os, "geteuid") or not path.exists():
        return
    owner, user = path.stat().st_uid, os.geteuid()
    if owner != user and (user or path.parent.stat().st_mode & stat.S_IWOTH):
        raise ConfigurationError(
            f"{path} belongs to another user (number {owner}), who could make sessions in it. Run as that user, "
            "or change its owner if it is yours."
        )


def is_read_only(path: Path) -> bool:
    """Whether the file is there and can only be read: a snapshot, say, on a file system of its own."""
    if not path.exists():
        return False
    return not os.access(path, os.W_OK) or not (os.access(path.parent, os.W_OK) or _beside(path, "-wal").exists())


def uri_of(path: Path) -> str:
    """For sqlite3.connect. It never creates a file: one that was deleted under us must be noticed."""
    if not is_read_only(path):
        return f"{path.as_uri()}?mode=rw"
    log = _beside(path, "-wal")
    if not log.exists() or not log.stat().st_size:
        # Without a log, and where nobody can make one: SQLite would want to.
        return f"{path.as_uri()}?mode=ro&immutable=1"
    if not _beside(path, "-shm").exists():
        raise ConfigurationError(
            f"{path} has a log beside it (-wal) without its index (-shm), and none can be made here. Copy both to a "
            "folder that you may write to, and give the copy."
        )
    return f"{path.as_uri()}?mode=ro"


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)
