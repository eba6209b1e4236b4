"""Devices: what is left of a request to the endpoints besides the commit, a list of the user's sessions or an end."""

from __future__ import annotations

from collections.abc import Sequence

from sojourn.core.info import SessionInfo
from sojourn.core.session import Session
from sojourn.manager import AsyncSessionManager, SessionManager

from .endpoints import Ask

__all__ = ["MOST_LISTED", "perform", "perform_async"]

# Of those whose policy lets them have more, the first ones by their ids.
MOST_LISTED = 1000


def perform(ask: Ask, session: Session, manager: SessionManager) -> Sequence[SessionInfo] | int:
    """Carry out what is left besides the commit. A session of somebody else is never ended: it counts 0.

    Raises StoreUnavailable, and SessionCommitted where the response has begun. One read and one write at most.
    """
    if ask.action == "list":
        return manager.list(ask.user_id, limit=MOST_LISTED)
    if ask.action == "revoke_others":
        return manager.revoke_all(ask.user_id, keep=ask.id, by=f"session:{ask.id}", address=session.client.ip)
    if ask.action == "revoke" and _is_mine(ask, manager.get(ask.id)):
        by, address = f"session:{session.id}", session.client.ip
        return _log_out_if_mine(ask, session) or int(manager.revoke(ask.id, by=by, address=address))
    return 0


async def perform_async(ask: Ask, session: Session, manager: AsyncSessionManager) -> Sequence[SessionInfo] | int:
    """As `perform`, awaited."""
    if ask.action == "list":
        return await manager.list(ask.user_id, limit=MOST_LISTED)
    if ask.action == "revoke_others":
        return await manager.revoke_all(ask.user_id, keep=ask.id, by=f"session:{ask.id}", address=session.client.ip)
    if ask.action == "revoke" and _is_mine(ask, await manager.get(ask.id)):
        by, address = f"session:{session.id}", session.client.ip
        return _log_out_if_mine(ask, session) or int(await manager.revoke(ask.id, by=by, address=address))
    return 0


def _is_mine(ask: Ask, found: SessionInfo | None) -> bool:
    # Not by the list: that is a page of those whose policy lets them have any number.
    return found is not None and found.user_id == ask.user_id


def _log_out_if_mine(ask: Ask, session: Session) -> int:
    # Ending the session that asks is a log-out: its own cookie goes too, with the commit that follows.
    if ask.id != session.id:
        return 0
    session.logout()
    return 1
