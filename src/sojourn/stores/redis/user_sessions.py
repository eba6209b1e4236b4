"""What is asked of all sessions of one user: in slices, for a script that goes through very many stops Redis for all.

Generators, without I/O, as in operations.py.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from typing import Any

from sojourn.core.errors import EndReason, StoreUnavailable
from sojourn.core.record import Record
from sojourn.core.token import partition

from . import scripts
from .blob import readable
from .calls import Steps, command, run
from .key_names import id_in, index_key, member, session_key
from .retry import NotMade

__all__ = ["SLICE", "cap", "end_all", "of_user", "tidy"]

logger = logging.getLogger("sojourn")

# Sessions that one script looks at: some 8 ms for small ones. At least two.
SLICE = 250
# Names are shorter work: a few ms.
NAMES = 10_000


def end_all(
    user_id: str, reason: EndReason, now: int, spared: str | None, realm: str, keep: int
) -> Steps[Sequence[str]]:
    """Store.end_all. Of more sessions than a slice has, the one instant is that of the last slice."""
    index, tag = index_key(realm, user_id), partition(user_id)
    name: str | bytes = member(spared) if spared and spared[:3] == tag else ""
    ended: list[str] = []
    goes_on = ""
    while True:
        call = run(scripts.END_ALL, [index], now, keep, reason, name, SLICE, goes_on, repeatable=True)
        try:
            name, left, some = (yield [call])[0]
        except NotMade as error:
            if not goes_on:
                raise
            told = f"Redis ended {len(ended):,} sessions of the user, and not yet all: call it again. {error}"
            raise StoreUnavailable(told) from error
        ended += [id_in(tag, one) for one in some]
        if not left:
            return ended
        goes_on = "1"


def of_user(user_id: str, now: int, realm: str, after: str, limit: int) -> Steps[Sequence[Record]]:
    """Store.list. The names of all, and then as many records as are asked for.

    What ran out stays in the index: to look ends nothing that a slow request may still keep alive.
    """
    index, tag = index_key(realm, user_id), partition(user_id)
    ids = sorted([id for id in (yield from _ids(index, tag)) if id > after])
    records: list[Record] = []
    while ids and len(records) < limit:
        size = min(max(limit - len(records), SLICE // 10), SLICE)
        some, ids = ids[:size], ids[size:]
        found = (yield [command(index, "MGET", *map(session_key, some))])[0]
        records += [each for each in readable(zip(some, found, strict=True)) if each.end_reason_at(now) is None]
    return records[:limit]


def _ids(index: str, tag: str) -> Steps[set[str]]:
    ids: set[str] = set()
    cursor = b"0"
    while True:
        cursor, found = (yield [command(index, "ZSCAN", index, cursor, "COUNT", NAMES)])[0]
        ids.update([id_in(tag, one) for one in found[::2]])
        if cursor == b"0":
            return ids


def cap(record: Record, most: int, now: int, keep: int) -> Steps[list[Any]]:
    """End the oldest sessions of the user of `record`, the newest, beyond `most`; their members.

    The new one is made, and the one before has ended: what fails here must not lose both. The next log-in does the
    rest.
    """
    assert record.user_id is not None
    index, newest = index_key(record.realm, record.user_id), member(record.id)
    ended: list[Any] = []
    unreadable: int | str | None = ""
    try:
        while True:
            words = (now, keep, most, newest, SLICE, "" if unreadable is None else unreadable)
            some = (yield [run(scripts.CAP, [index], *words, repeatable=True)])[0]
            if some == b"many":
                unreadable = yield from tidy(record, now, keep)
                continue
            ended += some
            if len(some) < SLICE:
                return ended
    except StoreUnavailable as error:
        logger.warning("A user may have more sessions than the limit until the next log-in: %s", error)
        return ended


def tidy(record: Record, now: int, keep: int, enough: float = math.inf) -> Steps[int | None]:
    """Have what is over leave the index that `record` belongs in. How many of the rest nobody can read.

    None once `enough` were seen live, in front of some at which nobody looked.
    """
    index = index_key(record.realm, record.user_id or "")
    last: str | bytes = ""
    unreadable = 0
    while True:
        call = run(scripts.TIDY, [index], now, keep, SLICE, last, repeatable=True, durable=False)
        began, seen, stay, spoilt, last = (yield [call])[0]
        unreadable = int(spoilt) + (unreadable if began else 0)
        if began + stay - unreadable >= enough:
            return None
        if seen < SLICE:
            return unreadable
