"""The end of every session of a manager's realm, however many there are: with threads, and awaited."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from sojourn.core.record import Record
from sojourn.core.store import End

from .context import BATCH

if TYPE_CHECKING:
    from sojourn.core.actor import Actor

    from .async_manager import AsyncSessionManager
    from .manager import SessionManager

__all__ = ["end_everything", "end_everything_async"]

OnBatch = Callable[[int], None] | None


def end_everything(manager: SessionManager, on_batch: OnBatch, actor: Actor) -> int:
    """As SessionManager.revoke_everything."""
    now = manager.clock()
    manager._store.bar(now, manager.realm)
    total, newest = _end_until(manager, math.inf, 0, on_batch, actor)
    if newest > now:
        # Another node's clock runs ahead of this one, so that what it makes may have passed the bar.
        manager._store.bar(newest, manager.realm)
        total, _ = _end_until(manager, newest, total, on_batch, actor)
    manager._emit((actor.revoked_all(total, now),))
    return total


def _end_until(manager: SessionManager, newest: float, total: int, on_batch: OnBatch, actor: Actor) -> tuple[int, int]:
    """End what was made by `newest`; `total` and how many that were, and when the newest of them was made."""
    after, seen = "", 0
    while page := manager._store.scan(after, BATCH):
        after = page[-1].id
        for record in page:
            if _is_due(record, manager.realm, newest):
                seen = max(seen, record.created_at)
                end = End(record.id, "revoked", manager.clock(), manager.realm)
                total += manager._emit_end(end, manager._store.end(end), actor)
        if on_batch:
            on_batch(total)
    return total, seen


async def end_everything_async(manager: AsyncSessionManager, on_batch: OnBatch, actor: Actor) -> int:
    """As AsyncSessionManager.revoke_everything."""
    now = manager.clock()
    await manager._store.bar(now, manager.realm)
    total, newest = await _end_until_async(manager, math.inf, 0, on_batch, actor)
    if newest > now:
        await manager._store.bar(newest, manager.realm)
        total, _ = await _end_until_async(manager, newest, total, on_batch, actor)
    manager._emit((actor.revoked_all(total, now),))
    return total


async def _end_until_async(
    manager: AsyncSessionManager, newest: float, total: int, on_batch: OnBatch, actor: Actor
) -> tuple[int, int]:
    after, seen = "", 0
    while page := await manager._store.scan(after, BATCH):
        after = page[-1].id
        for record in page:
            if _is_due(record, manager.realm, newest):
                seen = max(seen, record.created_at)
                end = End(record.id, "revoked", manager.clock(), manager.realm)
                total += manager._emit_end(end, await manager._store.end(end), actor)
        if on_batch:
            on_batch(total)
    return total, seen


def _is_due(record: Record, realm: str, newest: float) -> bool:
    return record.realm == realm and record.ended_at is None and record.created_at <= newest
