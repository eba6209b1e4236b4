"""What a write does to a record: for stores that judge in Python, inside their own atomic step. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from .codec import MAX_INTEGER, altered, decode, size
from .errors import DataTooLarge, EndReason, SessionLimitReached
from .record import Record
from .store import Commit, Create, End, Ends, Limit

__all__ = ["changed", "ended", "may_be_replaced", "may_begin", "may_end", "over_limit"]


def changed(record: Record, commit: Commit) -> Record | None:
    """`record` with `commit` applied, or None where it must be refused.

    Raises DataTooLarge, and StoreUnavailable for a counter that is no JSON.
    """
    if record.ended_at is not None:
        return None
    seen_at = record.seen_at
    if commit.seen_at is not None:
        # Not beyond this commit's own time: a clock that was ahead would make the idle timeout come late.
        seen_at = min(max(seen_at, commit.seen_at), commit.now)
    if min(seen_at + record.idle_timeout, record.absolute_expires_at) <= commit.now:
        return None
    secrets = record.secrets
    if commit.secrets is not None:
        if commit.secrets[0] != secrets:
            return None
        secrets = commit.secrets[1]
    if not commit.changes and not commit.increments:
        return replace(record, seen_at=seen_at, secrets=secrets)
    data = _changed_data(record.data, commit)
    if data is None:
        return None
    return replace(record, seen_at=seen_at, secrets=secrets, data=data, version=record.version + 1)


def _changed_data(before: Mapping[str, bytes], commit: Commit) -> Mapping[str, bytes] | None:
    written: dict[str, bytes | None] = {}
    for key, change in commit.changes.items():
        if before.get(key) != change.base:
            return None
        written[key] = change.value
    for key, by in commit.increments.items():
        raw = written[key] if key in written else before.get(key)
        counter = decode(b"0" if raw is None else raw)
        if type(counter) is not int or abs(counter + by) > MAX_INTEGER:
            return None
        written[key] = b"%d" % (counter + by)
    data = altered(before, written)
    total = size(data)
    # Data over the limit, by an older and wider policy, may always be made smaller.
    if total > commit.max_bytes and total > size(before):
        raise DataTooLarge(total, commit.max_bytes)
    return data


def ended(record: Record, reason: EndReason, now: int) -> Record:
    """`record` after its end at `now`, in Unix milliseconds: the data is gone, what says why stays.

    If it had run out before, that is why.
    """
    ran_out = record.end_reason_at(now)
    return replace(record, ended_at=min(now, record.expires_at), end_reason=ran_out or reason, data={})


def may_end(record: Record, end: End) -> bool:
    """Whether `end` is to be applied. Who says that a session ran out may have read it before it was last seen."""
    if record.ended_at is not None or record.realm != end.realm:
        return False
    return end.reason not in ("idle_timeout", "absolute_timeout") or record.end_reason_at(end.now) is not None


def may_begin(create: Create, replaced: Record | None, for_all: int, for_user: int) -> bool:
    """Whether what began at `began_at` may end in this session, after the instants that were set for all and its user.

    Who goes on from a live session of the same user, which `end_all` spared, is not refused for the user's instant. The
    instant for all spares nobody: whoever set it ends the sessions one by one, and the new one might be missed.
    """
    if create.began_at < for_all:
        return False
    spared = replaced is not None and replaced.user_id == create.record.user_id
    return create.record.user_id is None or spared or create.began_at >= for_user


def may_be_replaced(record: Record | None, ends: Ends, now: int) -> bool:
    """Whether the session that a new one ends is still as that took it to be. `now` is in Unix milliseconds."""
    if record is None or record.end_reason_at(now) is not None:
        return False
    return ends.version is None or ends.version == record.version


def over_limit(live: Sequence[Record], limit: Limit) -> Sequence[Record]:
    """The oldest of a user's `live` sessions that must end for one more. Raises SessionLimitReached where none may."""
    over = len(live) + 1 - limit.most
    if over > 0 and not limit.end_oldest:
        raise SessionLimitReached(limit.most)
    return sorted(live, key=lambda record: record.created_at)[: max(over, 0)]
