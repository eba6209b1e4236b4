"""What is seen in a storm: the sessions that all share, made before it, and what there is by their ids after it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from sojourn.core.errors import StoreUnavailable
from sojourn.core.policy import Policy
from sojourn.core.record import Client
from sojourn.core.session import Session
from sojourn.manager import AsyncSessionManager

from .history import Listed, Operation, Saw
from .instance import OWNER, Instance, Visitor
from .race_context import revealed

__all__ = ["COME_BACK_WITHIN", "POLICY", "RETRY_AFTER", "begin_shared", "list_of", "look", "saw_in"]

# Its tokens are never renewed, as these clients keep the first one.
POLICY = Policy(idle_timeout=6 * 3600, max_sessions=None, rotate_interval=None)
# After an error a request is tried again, as a browser's user would.
RETRY_AFTER = 0.02
# How long after the storm the store may take to be back.
COME_BACK_WITHIN = 30.0


async def begin_shared(instance: Instance, began: float, number: int, user: str) -> tuple[Visitor, Operation]:
    """A session that all clients are to share."""
    login = Operation(
        client="before", number=number, process=-1, kind="login", invoked=time.monotonic() - began, user=user
    )
    manager = instance.manager(POLICY)
    session = manager.anonymous(Client(user_agent=login.name))
    session[OWNER] = user
    session.login(user)
    visitor = Visitor(revealed((await manager.commit(session)).token), user, user)
    return visitor, replace(login, completed=time.monotonic() - began, outcome="ok", session=visitor.id)


async def look(instance: Instance, began: float, number: int, id: str | None, user: str | None) -> Operation:
    """What a session holds by its id alone, or what a user's list does, once the store is back."""
    manager, until = instance.manager(POLICY), time.monotonic() + COME_BACK_WITHIN
    while True:
        invoked = time.monotonic() - began
        try:
            found = await list_of(manager, user) if user is not None else {"saw": await _saw_by_id(manager, id or "")}
        except StoreUnavailable:
            if time.monotonic() > until:
                raise
            await instance.pause(RETRY_AFTER)
        else:
            return Operation(
                client="after",
                number=number,
                process=-1,
                kind="read" if user is None else "list",
                invoked=invoked,
                completed=time.monotonic() - began,
                outcome="ok",
                session=id,
                user=user,
                **found,
            )


async def list_of(manager: AsyncSessionManager, user: str) -> Mapping[str, Any]:
    """The user's sessions."""
    infos = await manager.list(user, limit=10_000)
    return {"listed": tuple(Listed(info.id, info.user_agent) for info in infos)}


async def _saw_by_id(manager: AsyncSessionManager, id: str) -> Saw:
    info = await manager.get(id)
    if info is None:
        return Saw("none")
    if info.end_reason is not None:
        return Saw("ended", info.user_id, info.end_reason)
    return Saw("active", info.user_id, None, *_content(info.data))


def saw_in(session: Session) -> Saw:
    """What a request sees."""
    content = _content(session) if session.status == "active" else ()
    return Saw(session.status, session.user_id, session.end_reason, *content)


def _content(data: Mapping[str, Any]) -> tuple[tuple[str, ...], int]:
    values = [value for key in sorted(data) if key.startswith("log") for value in data[key]]
    return tuple(values), int(data.get("count", 0))
