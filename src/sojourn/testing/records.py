"""Records to test with, and short spellings of the writes."""

from __future__ import annotations

import os
from collections.abc import Callable

from msgspec.structs import replace

from sojourn.core.record import Client, Record, Secrets
from sojourn.core.store import Change, Commit, Create, Store
from sojourn.core.token import mint

__all__ = ["HOUR", "MINUTE", "NOW", "change", "commit", "ids", "live", "make_record", "put", "raises"]

NOW = 1_800_000_000_000
"""When the contract's records are made, in Unix milliseconds: January 2027."""

MINUTE = 60_000
HOUR = 60 * MINUTE


def make_record(user_id: str | None = None, **fields: object) -> Record:
    """A record that was made at NOW, idle after half an hour and over after twelve, with `fields` of Record changed."""
    token = mint(user_id, os.urandom)
    record = Record(
        id=token.id,
        secrets=Secrets(token.family, token.hash, NOW),
        created_at=NOW,
        seen_at=NOW,
        idle_timeout=30 * MINUTE,
        absolute_expires_at=NOW + 12 * HOUR,
        user_id=user_id,
        authenticated_at=NOW if user_id else None,
        client=Client("192.0.2.1", "Mozilla/5.0"),
    )
    return replace(record, **fields)


def put(store: Store, user_id: str | None = None, **fields: object) -> Record:
    """A record made and kept in `store`."""
    record = make_record(user_id, **fields)
    store.create(Create(record=record, now=record.created_at, began_at=record.created_at))
    return record


def change(base: bytes | None, value: bytes | None) -> Change:
    """One key's change, from encoded JSON to encoded JSON."""
    return Change(base, value)


def commit(record: Record, now: int = NOW + 1, max_bytes: int = 32768, **parts: object) -> Commit:
    """A commit to `record`."""
    return replace(Commit(id=record.id, now=now, max_bytes=max_bytes), **parts)


def live(store: Store, id: str) -> Record:
    """The record under `id`, which must be there."""
    record = store.get(id)
    assert record is not None, "the record is gone"
    return record


def ids(store: Store, user_id: str, now: int = NOW + 1) -> list[str]:
    """The ids of the user's live sessions, in the order that the store gives."""
    return [record.id for record in store.list(user_id, now)]


def raises(error: type[Exception], call: Callable[[], object]) -> None:
    """Assert that `call` raises `error`: what pytest.raises does, for those who test with something else."""
    try:
        call()
    except error:
        return
    raise AssertionError(f"{error.__name__} was not raised")
