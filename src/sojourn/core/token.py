"""Token: the secret that a browser holds, and the public id inside it.

`sj1-` + id (32 hex digits) + `-` + secret (64 hex digits: a family of 32, which stays with the session, and a part of
32 that is renewed). Letters, digits and `-` only, so that PHP takes it as a session id. 116 random bits of id, 128 of
family and 128 of part, from the operating system (ASVS 7.2.3 asks for 128).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable

__all__ = ["Random", "Token", "hash_user", "mint", "parse", "partition"]

Random = Callable[[int], bytes]
"""A source of so many random bytes: os.urandom, but in a test that needs to foresee them."""

TOKEN_LENGTH = 101
FAMILY_LENGTH = 32
HASH_BYTES = 16
ID_PATTERN = "[0-9a-f]{32}"
_SHAPE = re.compile(f"sj1-({ID_PATTERN})-([0-9a-f]{{64}})").fullmatch


class Token:
    """A session's token, taken apart. Its repr and str hide the secret.

    `id` is the session's public name. `hash` is what a store is given of the secret, and what tells one from all
    others: 16 bytes of sha256, as many as the part has that is renewed.
    """

    __slots__ = ("_secret", "hash", "id")

    def __init__(self, id: str, secret: str) -> None:
        self.id = id
        self._secret = secret
        self.hash = hashlib.sha256(secret.encode()).digest()[:HASH_BYTES]

    @property
    def family(self) -> bytes:
        """The hash of the half that stays with the session: who shows it has held a secret of this session."""
        return hashlib.sha256(self._secret[:FAMILY_LENGTH].encode()).digest()[:HASH_BYTES]

    def renewed(self, random: Random) -> Token:
        """The same session's and family's, with a new part."""
        return Token(self.id, self._secret[:FAMILY_LENGTH] + random(16).hex())

    def reveal(self) -> str:
        """The text for the browser, and for nobody else."""
        return f"sj1-{self.id}-{self._secret}"

    def __repr__(self) -> str:
        return f"Token(id={self.id!r}, secret=hidden)"


def parse(text: str) -> Token | None:
    """The token that `text` spells, or None: its shape is judged before any store is asked."""
    if len(text) != TOKEN_LENGTH:
        return None
    match = _SHAPE(text)
    return Token(*match.groups()) if match else None


def mint(user_id: str | None, random: Random) -> Token:
    """A new token under a new id.

    The id's first 3 digits are a partition: a hash of the user's id, so that a user's sessions lie together in
    a Redis Cluster; random without a user.
    """
    raw = random(48).hex()
    return Token(raw[:32] if user_id is None else partition(user_id) + raw[3:32], raw[32:])


def hash_user(user_id: str) -> str:
    """A name for a user that tells nobody who it is: for what is kept after the user's sessions are erased."""
    return hashlib.sha256(f"sojourn user\0{user_id}".encode()).hexdigest()[:32]


def partition(user_id: str) -> str:
    """The first 3 digits of the id of each of this user's sessions."""
    return hashlib.sha256(user_id.encode()).hexdigest()[:3]
