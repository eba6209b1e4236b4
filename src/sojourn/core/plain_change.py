"""Plain change: values are set that nobody else has changed, in a session of which nothing else is due. Pure.

Most commits are such, and it takes a third of the time to decide them here. They come to what plan_commit and
outcome.py make of them, who judge all others.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from msgspec.structs import replace

from .changes import changes, committed
from .codec import encode
from .commit import nothing_due, plan_open
from .errors import InvalidData
from .merge import MISSING
from .policy import Policy
from .record import Client, Record
from .session import Session
from .store import Applied, Commit
from .token import Token

__all__ = ["ValueChange", "plan_plain_change", "written"]

_NOBODY = Client()


class ValueChange(Protocol):
    """One key's value. MISSING is "not there"."""

    @property
    def base(self) -> Any:
        """As the request loaded it."""

    @property
    def value(self) -> Any:
        """As it should be."""


def plan_plain_change(
    record: Record,
    token: Token,
    wanted: Mapping[str, ValueChange],
    policy: Policy,
    now: int,
    opened_at: int,
    passive: bool,
    realm: str = "",
) -> tuple[Session, Commit] | None:
    """The session as `token` opened it at `opened_at`, and the write at `now`; None for what is no plain change."""
    if policy.binding == "require" or record.key_thumbprint is not None or record.secrets.key:
        return None
    data, values = record.data, {}
    try:
        for key, change in wanted.items():
            loaded = None if change.base is MISSING else encode(change.base, key)
            if loaded != data.get(key):
                return None
            values[key] = change.value
        found = changes(data, values, {})
    except InvalidData:
        return None
    session, _, _ = plan_open(record, token, policy, opened_at, _NOBODY, realm)
    session.passive = passive
    if not found or session._live is None or not nothing_due(session, policy):
        return None
    return session, Commit(id=record.id, now=now, changes=found, max_bytes=policy.max_bytes)


def written(session: Session, write: Commit, answer: Applied) -> None:
    """The store made `write`: this is the session from here on."""
    record = session._record
    assert record is not None
    # If others wrote since the load, the old number stays, as after any commit.
    if answer.version == record.version + 1:
        session._record = replace(record, version=answer.version)
    session._base = committed(session._base, write.changes, {})
