"""Copy: what must be written for a session to be in another store as it is in this one. Pure.

A store's own writes do it, each judged there in one atomic step: so both may be in use meanwhile. Ends are final, on
whichever side; of two versions of the data the higher one stands, and where it is the other's, nothing is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from msgspec.structs import replace

from .codec import MAX_INTEGER, size
from .record import Record, Secrets
from .store import Change, Commit, Create, End

__all__ = ["CopyOutcome", "CopyPlan", "plan_copy"]

CopyOutcome = Literal["copied", "updated", "ended", "same", "newer", "left", "barred"]
"""What becomes of one session. `newer`: the other store's is ahead, and stays. `left`: over for long, and not taken.
`barred`: all of that user's, or of everybody's, were ended there since it began."""


class CopyPlan(NamedTuple):
    """The writes to make in this order, until one is refused: then it is to be planned again."""

    outcome: CopyOutcome
    writes: Sequence[Create | Commit | End] = ()


def plan_copy(source: Record, target: Record | None, now: int, before: int, barred: int = 0) -> CopyPlan:
    """What brings `target`, the record of this id in the other store, up to `source`.

    What ended before `before` is not taken along. `barred` is the latest instant in its own store, for all or its user,
    which it outlived: one that is set later in the other store refuses it. Times are Unix milliseconds.
    """
    if target is None:
        if source.end_reason_at(now) is not None and source.expires_at < before:
            return CopyPlan("left")
        # One that is over brings no way in: the browser is to be told why.
        began_at = MAX_INTEGER if source.end_reason_at(now) is not None else max(source.created_at, barred)
        return CopyPlan("copied", (Create(record=source, now=now, began_at=began_at),))
    if source.ended_at is not None:
        return _plan_end(source, target, source.ended_at)
    if target.ended_at is not None:
        return CopyPlan("newer")
    if source.end_reason_at(now) is not None:
        # It ran out, and nobody has noticed yet. So it did there, unless somebody was seen there since.
        return CopyPlan("same" if target.end_reason_at(now) is not None else "newer")
    commits = _commits(source, target, now)
    if commits:
        return CopyPlan("updated", commits)
    is_same = (
        source.version == target.version
        and not _changes(source, target)
        and (min(source.seen_at, now), source.secrets) == (min(target.seen_at, now), target.secrets)
    )
    return CopyPlan("same" if is_same else "newer")


def _plan_end(source: Record, target: Record, at: int) -> CopyPlan:
    reason = source.end_reason
    assert reason is not None
    if target.ended_at is not None:
        return CopyPlan("same")
    if reason in ("idle_timeout", "absolute_timeout") and target.end_reason_at(at) is None:
        return CopyPlan("newer")  # somebody was seen there since
    return CopyPlan("ended", (End(source.id, reason, at),))


def _commits(source: Record, target: Record, now: int) -> Sequence[Commit]:
    """Commits that give the other store's record this one's data and version; none where it is ahead already."""
    # As a store has it: activity that a clock noted in the future is no later than now.
    latest = min(source.seen_at, now)
    seen_at = latest if latest > target.seen_at else None
    newer = source.secrets if _renewed_at(source.secrets) > _renewed_at(target.secrets) else target.secrets
    # A key is registered once, and never given up but for the browser's own: by their first words that is the greater.
    newer = replace(newer, key=max(source.secrets.key, target.secrets.key))
    renewed = newer != target.secrets
    first = Commit(
        id=source.id,
        now=now,
        seen_at=seen_at,
        secrets=(target.secrets, newer) if renewed else None,
        max_bytes=max(size(source.data), size(target.data)),
    )
    steps = source.version - target.version
    if steps <= 0:
        return [first] if renewed or seen_at is not None else []
    # The data comes with the last one: whatever was copied in part is older than this, and is copied again.
    pause, data = _change_nothing(target), _changes(source, target)
    changes = [*[pause] * (steps - 1), data or pause]
    return [
        replace(first, changes=changes[0]),
        *[replace(first, changes=each, secrets=None) for each in changes[1:]],
    ]


def _changes(source: Record, target: Record) -> dict[str, Change]:
    keys = dict.fromkeys([*target.data, *source.data])
    changes = {key: Change(target.data.get(key), source.data.get(key)) for key in keys}
    return {key: change for key, change in changes.items() if change.base != change.value}


def _change_nothing(target: Record) -> dict[str, Change]:
    """A change that leaves the data as it is, and takes the version one up, as a store counts it."""
    key, value = next(iter(target.data.items()), ("", None))
    return {key: Change(value, value)}


def _renewed_at(secrets: Secrets) -> int:
    """When they were last changed."""
    return max([secrets.rotated_at, *[known.at for known in (*secrets.next, *secrets.retired)]])
