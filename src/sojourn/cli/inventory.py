"""Inventory: the sessions of a store, page by page, and the line on a terminal that counts them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from sojourn.core.info import SessionInfo, info
from sojourn.core.record import Record
from sojourn.core.store import Store

from .terminal import live_line

__all__ = ["all_of", "all_records", "all_records_of", "with_progress"]

PAGE = 1000


def all_records(store: Store, realm: str | None) -> Iterator[Sequence[Record]]:
    """Every session, dead ones too. `realm`: only its own; None for those of all."""
    after = ""
    while page := store.scan(after, PAGE):
        yield [record for record in page if realm in (None, record.realm)]
        after = page[-1].id


def all_records_of(store: Store, user: str, now: int, realm: str) -> Iterator[Sequence[Record]]:
    """A user's live ones."""
    after = ""
    while page := store.list(user, now, realm, after, PAGE):
        yield page
        after = max(record.id for record in page)


def all_of(pages: Iterable[Sequence[Record]], now: int) -> Iterator[Sequence[SessionInfo]]:
    """What is known of each, without its data: that need not be readable."""
    for page in pages:
        yield [info(msgspec.structs.replace(record, data={}), now) for record in page]


def with_progress(pages: Iterable[Sequence[Record]], *, wanted: bool) -> Iterator[Sequence[Record]]:
    """The same, and on a terminal a line that counts what was read."""
    show, count = live_line(wanted=wanted), 0
    for page in pages:
        count += len(page)
        if show:
            show(f"{count:,} read")
        yield page
    if show:
        show("")
