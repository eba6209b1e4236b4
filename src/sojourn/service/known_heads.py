"""KnownHeads: the heads of requests that a connection sends again and again, each parsed once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

__all__ = ["KnownHead", "KnownHeads"]

# A back end's opens, commits and batches.
MOST = 4
_END = b"\r\n\r\n"
_LENGTH = b"\r\ncontent-length:"


class KnownHead(NamedTuple):
    """What the parser made of a head."""

    url: bytes
    headers: Iterable[tuple[bytes, bytes]]


class KnownHeads:
    """Each by all of its bytes up to the number of Content-Length, which must be its last line.

    A back end's heads differ in that number alone, and to parse one costs more than all that is decided of an open.
    """

    def __init__(self) -> None:
        self._heads: dict[bytes, KnownHead] = {}

    def find(self, text: bytes) -> tuple[KnownHead, bytes] | None:
        """The head and the body of `text`, where that is one whole request and the head is known."""
        end = text.find(_END)
        start = text.rfind(b" ", 0, end) + 1
        head = self._heads.get(text[:start])
        if head is None:
            return None
        body = text[end + len(_END) :]
        return (head, body) if text[start:end] == b"%d" % len(body) else None

    def learn(self, text: bytes, head: KnownHead) -> None:
        """The parser found this head in `text`, from its first byte on."""
        known, space, _ = text.partition(_END)[0].rpartition(b" ")
        if known.lower().endswith(_LENGTH) and len(self._heads) < MOST:
            self._heads[known + space] = head
