"""What is asked of a store, as calls to Redis: once, for both kinds of store. Generators, without I/O."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from sojourn.core.errors import (
    ConfigurationError,
    DataTooLarge,
    SessionEnded,
    SessionExists,
    SessionLimitReached,
    UnreadableRecord,
)
from sojourn.core.record import Record, stand_in
from sojourn.core.store import Applied, Bar, Commit, Create, End, Ends, Limit, Mark, Refused
from sojourn.core.token import partition

from . import scripts, user_sessions
from .blob import decode_mark, decode_record, encode_record, encode_secrets, encode_user
from .calls import Call, Steps, command, pack, run
from .key_names import bar_keys, id_in, mark_key, session_key, user_bar_key
from .retry import InDoubt, NotMade
from .user_sessions import cap, tidy

__all__ = ["bar", "commit", "create", "end", "get_mark", "put_bar", "put_mark"]

_encode = msgspec.msgpack.Encoder().encode


def create(create: Create, keep: int) -> Steps[Applied | Refused]:
    """Store.create. Where the session that it ends lies in another slot, three steps: see `_replace`."""
    record, ends, limit = create.record, create.ends, create.limit
    id, user = record.id, encode_user(record.realm, record.user_id)
    if record.user_id is not None and id[:3] != partition(record.user_id):
        raise ConfigurationError("This id was not minted for this user: Redis keeps a user's sessions together by it.")
    elsewhere = ends is not None and ends.id[:3] != id[:3]
    # Nobody is ended for the cap before it is sure that this session comes to be.
    cap_waits = elsewhere and limit is not None and limit.end_oldest
    here = ends if not elsewhere else None
    answer = yield from _make(create, user, here, limit if record.user_id and not cap_waits else None, keep)
    if answer == b"many":
        assert limit is not None
        enough = limit.most + (user_sessions.SLICE if limit.end_oldest else 1)
        unreadable = yield from tidy(record, create.now, keep, enough)
        if unreadable is None and not limit.end_oldest:
            raise SessionLimitReached(limit.most)
        # There are more than one step ends: they are too many already.
        cap_waits = unreadable is None
        answer = yield from _make(create, user, here, None if cap_waits else limit, keep, unreadable or 0)
    _raise_refusal(answer, limit)
    if not isinstance(answer[0], list):
        assert ends is not None
        return _refused(ends.id, answer[0])
    ended, more = answer
    if elsewhere:
        refused = yield from _replace(create, user, keep)
        if refused is not None:
            return refused
    if limit and limit.end_oldest and record.user_id and (more or cap_waits):
        ended += yield from cap(record, limit.most, create.now, keep)
    return Applied(record.version, tuple([id_in(id[:3], one) for one in ended]))


def _raise_refusal(answer: Any, limit: Limit | None) -> None:
    if answer == b"barred":
        raise SessionEnded("revoked")
    if answer == b"exists":
        raise SessionExists
    if answer == b"limit":
        assert limit is not None
        raise SessionLimitReached(limit.most)


def _make(
    create: Create, user: str, here: Ends | None, limit: Limit | None, keep: int, unreadable: int | str = ""
) -> Steps[Any]:
    """The first step. `here` is the session that ends with it, where it lies in the same slot.

    After an answer that was lost it is asked for again, in words that take a session which it made then for made.
    """
    record = create.record
    words = (
        encode_record(record),
        create.now,
        _ttl(record, create.now, keep),
        keep,
        user,
        limit.most if limit else "",
        "1" if limit and limit.end_oldest else "",
        here.reason if here else "",
        here.version if here and here.version else "",
        create.began_at,
        user_sessions.SLICE,
        unreadable,
    )
    keys = [session_key(record.id), session_key(here.id)] if here else [session_key(record.id)]
    try:
        return (yield [run(scripts.CREATE, keys, *words, "", repeatable=False)])[0]
    except InDoubt as doubt:
        try:
            return (yield [run(scripts.CREATE, keys, *words, "1", repeatable=True)])[0]
        except NotMade:
            raise doubt from doubt.__cause__


def _replace(create: Create, user: str, keep: int) -> Steps[Refused | None]:
    """End the session before. Where it is not as it was taken to be, the new one, whose token nobody has, is undone.

    A process that dies between the steps leaves a session that nobody can open, and the one before as it was. Where
    nobody knows whether the one before was ended, the new one stays: else both might be gone.
    """
    ends = create.ends
    assert ends is not None
    old = run(
        scripts.REPLACE,
        [session_key(ends.id)],
        create.now,
        keep,
        ends.reason,
        ends.version or "",
        session_key(create.record.id),
        repeatable=True,
    )
    undo = run(scripts.DROP, [session_key(create.record.id)], user, repeatable=True)
    try:
        answer = (yield [old])[0]
    except NotMade:
        yield [undo]
        raise
    if isinstance(answer, list):
        yield [undo]
        return _refused(ends.id, answer[0])
    return None


def commit(commit: Commit, keep: int) -> Steps[Applied | Refused]:
    """Store.commit."""
    key, changes, increments = session_key(commit.id), commit.changes, commit.increments
    changed = bool(changes or increments)
    before, after = commit.secrets or (None, None)
    call = run(
        scripts.COMMIT,
        [key],
        commit.now,
        "" if commit.seen_at is None else commit.seen_at,
        commit.max_bytes,
        keep,
        encode_secrets(before) if before else "",
        encode_secrets(after) if after else "",
        _encode({k: (_text(each.base), _text(each.value)) for k, each in changes.items()}) if changed else "",
        _encode(increments) if changed else "",
        # To be seen twice is to be seen; but an append twice is two.
        repeatable=not changed and before is None,
        durable=changed or before is not None,
        # Activity can be noted by the next request.
        patient=changed,
    )
    answer = (yield [call])[0]
    if isinstance(answer, int):
        raise DataTooLarge(answer, commit.max_bytes)
    return Applied(answer[0]) if isinstance(answer[0], int) else _refused(commit.id, answer[0])


def end(end: End, keep: int) -> Steps[Record | None]:
    """Store.end."""
    realm = encode_user(end.realm, None)
    ran_out = end.reason in ("idle_timeout", "absolute_timeout")
    words = (end.now, keep, end.reason, realm)
    call = run(scripts.END, [session_key(end.id)], *words, repeatable=True, patient=not ran_out)
    raw = (yield [call])[0]
    if raw is None:
        return None
    try:
        return decode_record(end.id, raw)
    except UnreadableRecord:
        yield [run(scripts.DROP, [session_key(end.id)], "", repeatable=True)]
        return stand_in(end.id, end.now)


def bar(now: int, realm: str) -> Steps[None]:
    """Store.bar. In each partition, for a session is created by a script in its own."""
    yield from _set_bars(bar_keys(realm), now)


def put_bar(bar: Bar) -> Steps[None]:
    """Store.put_bar."""
    yield from _set_bars([user_bar_key(bar.realm, bar.user)] if bar.user else bar_keys(bar.realm), bar.at)


def _set_bars(keys: Sequence[str], at: int) -> Steps[None]:
    # In pieces, each with a time limit of its own: all of them take a busy server too long for one.
    for first in range(0, len(keys), 512):
        yield [run(scripts.BAR, [key], at, repeatable=True) for key in keys[first : first + 512]]


def put_mark(mark: Mark) -> Steps[bool]:
    """Store.put_mark."""
    key, kept = mark_key(mark.id), f"{mark.session_id} {mark.ends_at}"
    packed = pack("SET", key, kept, "PXAT", mark.ends_at, "NX")
    return (yield [Call(key, packed, repeatable=True, durable=True)])[0] is not None


def get_mark(id: str) -> Steps[Mark | None]:
    """Store.get_mark."""
    key = mark_key(id)
    return decode_mark(id, (yield [command(key, "GET", key)])[0])


def _refused(id: str, raw: bytes | None) -> Refused:
    return Refused(decode_record(id, raw) if raw is not None else None)


def _ttl(record: Record, now: int, keep: int) -> int:
    return max(record.expires_at - now + keep, 1)


def _text(value: bytes | None) -> str | bool:
    return False if value is None else value.decode()
