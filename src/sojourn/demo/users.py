"""Users: names and argon2 hashes, in a SQLite file of their own."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError

from sojourn.core.errors import ConfigurationError

__all__ = ["User", "Users"]

# An argon2 hash takes 64 MiB for a moment.
AT_ONCE = 2

SCHEMA = """
CREATE TABLE IF NOT EXISTS user (
    key TEXT PRIMARY KEY, name TEXT NOT NULL, password TEXT NOT NULL, created_at INTEGER NOT NULL
) STRICT
"""


class User(NamedTuple):
    """Somebody with a password: `key` is the name without regard to case."""

    key: str
    name: str


class Users:
    """The users in the file at `path`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._hasher = PasswordHasher()
        self._slots = asyncio.Semaphore(AT_ONCE)
        # What a name that nobody has is checked against, so that the time of an answer does not tell.
        self._nobody = self._hasher.hash("nobody has this password")
        try:
            with closing(self._connect()) as connection, connection:
                connection.execute(SCHEMA)
            path.chmod(0o600)
        except (sqlite3.Error, OSError) as error:
            raise ConfigurationError(f"{path} cannot be used for the demo's users: {error}.") from error

    async def add(self, name: str, password: str) -> User | None:
        """A new user; None where the name is taken."""
        async with self._slots:
            return await asyncio.to_thread(self._add, User(name.casefold(), name), password)

    async def check(self, name: str, password: str) -> User | None:
        """The user with this name and password."""
        async with self._slots:
            return await asyncio.to_thread(self._check, name.casefold(), password)

    def _add(self, user: User, password: str) -> User | None:
        row = (*user, self._hasher.hash(password), int(time.time() * 1000))
        try:
            with closing(self._connect()) as connection, connection:
                connection.execute("INSERT INTO user (key, name, password, created_at) VALUES (?, ?, ?, ?)", row)
        except sqlite3.IntegrityError:
            return None
        return user

    def _check(self, key: str, password: str) -> User | None:
        with closing(self._connect()) as connection:
            row = connection.execute("SELECT key, name, password FROM user WHERE key = ?", (key,)).fetchone()
        try:
            self._hasher.verify(row[2] if row else self._nobody, password)
        except VerifyMismatchError:
            return None
        return User(row[0], row[1]) if row else None

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, timeout=5)
