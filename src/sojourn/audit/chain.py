"""The chain: each entry holds its number and the hash of the one before. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from .entry import Entry

__all__ = ["START", "Chain", "Link", "Row", "chained", "cut", "grown", "link_of", "parse_line"]


class Link(NamedTuple):
    """An entry's number, from 1 on, and its hash, in hex."""

    n: int
    hash: str


START: Final = Link(0, "0" * 64)
"""What comes before the first entry."""


class Chain(NamedTuple):
    """What a table keeps of its chain: the last entry that was deleted for its age, and the last one of all."""

    cut: Link
    last: Link


Row = tuple[int, str]
"""An entry of a table: its number, and its line without the end."""


def chained(entry: Entry, after: Link) -> tuple[bytes, Link]:
    """The line of an entry that follows another one, and its own link."""
    held = {**entry, "n": after.n + 1, "prev": after.hash}
    link = Link(after.n + 1, _hash(held))
    return _canonical({**held, "hash": link.hash}) + b"\n", link


def grown(chain: Chain, entries: Iterable[Entry]) -> tuple[list[Row], Chain]:
    """The rows of entries that follow a chain, and the chain with them."""
    rows, last = [], chain.last
    for entry in entries:
        line, last = chained(entry, last)
        rows.append((last.n, line.decode("ascii").rstrip("\n")))
    return rows, chain._replace(last=last)


def cut(chain: Chain, oldest: Sequence[Row], before: str) -> Chain:
    """The chain without those of its oldest entries that are from before a time, as entries spell it.

    None is skipped: what follows a younger one stays with it. A row that is no entry goes with the next one.
    """
    for n, text in oldest:
        entry = parse_line(text)
        if entry is not None and entry["time"] >= before:
            break
        if entry is not None:
            chain = chain._replace(cut=Link(n, entry["hash"]))
    return chain


def parse_line(line: bytes | str) -> dict[str, Any] | None:
    """The entry of a line; None for what was never written by `chained`."""
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(entry, dict):
        return None
    n, texts = entry.get("n"), [entry.get(name) for name in ("prev", "hash", "time", "what")]
    if type(n) is not int or n < 1 or not all(isinstance(text, str) for text in texts):
        return None
    return entry


def link_of(entry: dict[str, Any], line: bytes) -> Link | None:
    """An entry's link; None where its line is not what it was when it was written."""
    held = {name: value for name, value in entry.items() if name != "hash"}
    whole = line.rstrip(b"\n") == _canonical(entry) and _hash(held) == entry["hash"]
    return Link(entry["n"], entry["hash"]) if whole else None


def _canonical(entry: Entry) -> bytes:
    """JSON in one way alone: names in order, no blanks, ASCII. So that nobody need agree on anything else."""
    return json.dumps(entry, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")


def _hash(entry: Entry) -> str:
    return hashlib.sha256(_canonical(entry)).hexdigest()
