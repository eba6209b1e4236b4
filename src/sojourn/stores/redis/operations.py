"""What is asked of a store, as calls to Redis: once, for both kinds of store. Generators, without I/O."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from sojourn.core.errors import (
    ConfigurationError,
    DataTooLarge,
    EndReason,
    SessionEnded,
    SessionExists,
    SessionLimitReached,
    UnreadableRecord,
)
from sojourn.core.record import Record, stand_in
from sojourn.core.store import Applied, Bar, Commit, Create, End, Ends, Mark, Refused
from sojourn.core.token import partition

from . import scripts
from .blob import decode_mark, decode_record, encode_record, encode_secrets, encode_user, readable
from .calls import Call, Steps, command, pack, run
from .keys import bar_keys, id_in, index_key, mark_key, member, session_key, user_bar_key
from .retry import NotMade

__all__ = ["bar", "commit", "create", "end", "end_all", "get", "get_mark", "of_user", "put_mark"]

_encode = msgspec.msgpack.Encoder().encode


# Not a generator as the others: of Store.get there is one to a request.
def get(id: str) -> Call:
    """Store.get's one call."""
    key = session_key(id)
    # Packed by hand: each request makes one, and its length is known.
    return Call(key, f"*2\r\n$3\r\nGET\r\n$28\r\n{key}\r\n".encode(), repeatable=True)


def create(create: Create, keep: int) -> Steps[Applied | Refused]:
    """Store.create. Where the session that it ends lies in another slot, three steps: see `_replace`."""
    record, ends, limit, now = create.record, create.ends, create.limit, create.now
    id, user = record.id, encode_user(record.realm, record.user_id)
    if record.user_id is not None and id[:3] != partition(record.user_id):
        raise ConfigurationError("This id was not minted for this user: Redis keeps a user's sessions together by it.")
    elsewhere = ends is not None and ends.id[:3] != id[:3]
    answer = (yield [_create_call(create, user, ends if not elsewhere else None, keep)])[0]
    if answer == b"barred":
        raise SessionEnded("revoked")
    if answer == b"exists":
        raise SessionExists
    if answer == b"limit":
        assert limit is not None
        raise SessionLimitReached(limit.most)
    if not isinstance(answer[0], list):
        assert ends is not None
        return _refused(ends.id, answer[0])
    ended = answer[0]
    if elsewhere:
        refused = yield from _replace(create, user, keep)
        if refused is not None:
            return refused
        if record.user_id is not None and limit and limit.end_oldest:
            index = index_key(record.realm, record.user_id)
            ended = (yield [run(scripts.CAP, [index], now, keep, limit.most, member(id), repeatable=True)])[0]
    return Applied(record.version, tuple([id_in(id[:3], one) for one in ended]))


def _create_call(create: Create, user: str, here: Ends | None, keep: int) -> Call:
    """The first step. `here` is the session that ends with it, where it lies in the same slot."""
    record, limit = create.record, create.limit
    # Nobody is ended for the cap before it is sure that this session comes to be.
    waits = create.ends is not here and limit is not None and limit.end_oldest
    capped = limit if record.user_id and not waits else None
    return run(
        scripts.CREATE,
        [session_key(record.id), session_key(here.id)] if here else [session_key(record.id)],
        encode_record(record),
        create.now,
        _ttl(record, create.now, keep),
        keep,
        user,
        capped.most if capped else "",
        "1" if capped and capped.end_oldest else "",
        here.reason if here else "",
        here.version if here and here.version else "",
        create.began_at,
        repeatable=False,
    )


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
        create.record.id,
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


def end_all(
    user_id: str, reason: EndReason, now: int, spared: str | None, realm: str, keep: int
) -> Steps[Sequence[str]]:
    """Store.end_all."""
    index = index_key(realm, user_id)
    name = member(spared) if spared and spared[:3] == partition(user_id) else ""
    call = run(scripts.END_ALL, [index], now, keep, reason, name, repeatable=True)
    tag = partition(user_id)
    return [id_in(tag, one) for one in (yield [call])[0]]


def bar(now: int, realm: str) -> Steps[None]:
    """Store.bar. In each partition, for a session is created by a script in its own."""
    yield [run(scripts.BAR, [key], now, repeatable=True) for key in bar_keys(realm)]


def put_bar(bar: Bar) -> Steps[None]:
    """Store.put_bar."""
    keys = [user_bar_key(bar.realm, bar.user)] if bar.user else bar_keys(bar.realm)
    yield [run(scripts.BAR, [key], bar.at, repeatable=True) for key in keys]


def of_user(user_id: str, now: int, realm: str, after: str, limit: int) -> Steps[Sequence[Record]]:
    """Store.list. The names of all, and then as many records as are asked for."""
    index, tag = index_key(realm, user_id), partition(user_id)
    members = (yield [command(index, "ZRANGE", index, 0, -1)])[0]
    ids = sorted([id for id in [id_in(tag, one) for one in members] if id > after])
    records: list[Record] = []
    while ids and len(records) < limit:
        some, ids = ids[: limit - len(records)], ids[limit - len(records) :]
        call = run(scripts.LIST, [index], now, *map(member, some), repeatable=True, durable=False)
        found = (yield [call])[0]
        records += readable(zip([id_in(tag, one) for one in found[::2]], found[1::2], strict=True))
    return records


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
