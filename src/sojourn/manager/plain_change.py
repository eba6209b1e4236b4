"""change_plainly: a plain change from its token to the store, in the place of an open and a commit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from sojourn.core.plain_change import ValueChange, plan_plain_change, written
from sojourn.core.session import Session
from sojourn.core.store import Applied
from sojourn.core.token import parse

if TYPE_CHECKING:
    from .async_manager import AsyncSessionManager

__all__ = ["change_plainly"]


async def change_plainly(
    manager: AsyncSessionManager, token: str, wanted: Mapping[str, ValueChange], opened_at: int | None, passive: bool
) -> Session | None:
    """The session that `token` opened at `opened_at`, with what is `wanted` written; None for what is no plain change.

    Nothing was written then, and nobody told of anything: an open and a commit are to follow. One read and one write.
    Raises DataTooLarge, and StoreUnavailable.
    """
    parsed = parse(token)
    del token  # A reporter of errors sends what frames hold.
    record = None if parsed is None else await manager._store.get(parsed.id)
    if parsed is None or record is None:
        return None
    now = manager.clock()
    opened_at = now if opened_at is None else opened_at
    plan = plan_plain_change(record, parsed, wanted, manager.policy, now, opened_at, passive, manager.realm)
    if plan is None:
        return None
    session, write = plan
    answer = await manager._store.commit(write)
    if not isinstance(answer, Applied):
        return None
    if manager._following is not None:
        manager._following.changed((write.id,))
    written(session, write, answer)
    return session
