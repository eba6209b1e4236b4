"""What is asked of a store, as calls to Redis: once, for both kinds of store. Generators, without I/O."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from sojourn.core.errors import (
    ConfigurationError,
    DataTooLarge,
    EndReason,
    SessionExists,
    SessionLimitReached,
    StoreUnavailable,
    UnreadableRecord,
)
from sojourn.core.record import Record, stand_in
from sojourn.core.store import Applied, Commit, Create, End, Refused
from sojourn.core.token import partition

from . import scripts
from .blob import decode_record, encode_record, encode_secrets, readable
from .calls import Call, Steps, run
from .keys import id_in, index_key, member, session_key

__all__ = ["ask", "commit", "create", "end", "end_all", "of_user"]

_encode = msgspec.msgpack.Encoder().encode


# Not a generator as the others: of Store.get there is one to a request.
def ask(id: str) -> Call:
    """Store.get's one call."""
    key = session_key(id)
    # Packed by hand: each request makes one, and its length is known.
    return Call(key, f"*2\r\n$3\r\nGET\r\n$28\r\n{key}\r\n".encode(), repeatable=True)


def create(create: Create, keep: int) -> Steps[Applied | Refused]:
    """Store.create. Where the session that it ends lies in another slot, three steps: see `_replace`."""
    record, ends, limit, now = create.record, create.ends, create.limit, create.now
    id, user = record.id, "" if record.user_id is None else f":{record.user_id}"
    if record.user_id is not None and id[:3] != partition(record.user_id):
        raise ConfigurationError("This id was not minted for this user: Redis keeps a user's sessions together by it.")
    elsewhere = ends is not None and ends.id[:3] != id[:3]
    here = ends if not elsewhere else None
    # Nobody is ended for the cap before it is sure that this session comes to be.
    capped = limit if user and limit and not (elsewhere and limit.end_oldest) else None
    call = run(
        scripts.CREATE,
        [session_key(id), session_key(here.id)] if here else [session_key(id)],
        encode_record(record),
        now,
        _ttl(record, now, keep),
        keep,
        user,
        capped.most if capped else "",
        "1" if capped and capped.end_oldest else "",
        here.reason if here else "",
        here.version if here and here.version else "",
        repeatable=False,
    )
    answer = (yield [call])[0]
    if answer == b"exists":
        raise SessionExists
    if answer == b"limit":
        assert limit is not None
        raise SessionLimitReached(limit.most)
    if not isinstance(answer[0], list):
        assert here is not None
        return _refused(here.id, answer[0])
    ended = answer[0]
    if elsewhere:
        refused = yield from _replace(create, user, keep)
        if refused is not None:
            return refused
        if user and limit and limit.end_oldest:
            cap = run(scripts.CAP, [index_key(user[1:])], now, keep, limit.most, member(id), repeatable=True)
            ended = (yield [cap])[0]
    return Applied(record.version, tuple([id_in(id[:3], one) for one in ended]))


def _replace(create: Create, user: str, keep: int) -> Steps[Refused | None]:
    """End the session before. Where it is not as it was taken to be, the new one, whose token nobody has, is undone.

    A process that dies between the steps leaves a session that nobody can open, and the one before as it was.
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
        repeatable=False,
    )
    undo = run(scripts.DROP, [session_key(create.record.id)], user, repeatable=True)
    try:
        answer = (yield [old])[0]
    except StoreUnavailable:
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
    ran_out = end.reason in ("idle_timeout", "absolute_timeout")
    call = run(scripts.END, [session_key(end.id)], end.now, keep, end.reason, repeatable=True, patient=not ran_out)
    raw = (yield [call])[0]
    if raw is None:
        return None
    try:
        return decode_record(end.id, raw)
    except UnreadableRecord:
        yield [run(scripts.DROP, [session_key(end.id)], "", repeatable=True)]
        return stand_in(end.id, end.now)


def end_all(user_id: str, reason: EndReason, now: int, spared: str | None, keep: int) -> Steps[Sequence[str]]:
    """Store.end_all."""
    index = index_key(user_id)
    name = member(spared) if spared and spared[:3] == partition(user_id) else ""
    call = run(scripts.END_ALL, [index], now, keep, reason, name, repeatable=True)
    tag = partition(user_id)
    return [id_in(tag, one) for one in (yield [call])[0]]


def of_user(user_id: str, now: int) -> Steps[Sequence[Record]]:
    """Store.list."""
    call = run(scripts.LIST, [index_key(user_id)], now, repeatable=True, durable=False)
    found, tag = (yield [call])[0], partition(user_id)
    ids = [id_in(tag, one) for one in found[::2]]
    return sorted(readable(zip(ids, found[1::2], strict=True)), key=lambda record: -record.seen_at)


def _refused(id: str, raw: bytes | None) -> Refused:
    return Refused(decode_record(id, raw) if raw is not None else None)


def _ttl(record: Record, now: int, keep: int) -> int:
    return max(record.expires_at - now + keep, 1)


def _text(value: bytes | None) -> str | bool:
    return False if value is None else value.decode()
