"""Copying: what is written for a session to be in another store as it is in this one."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from sojourn import SessionEnded, SessionManager
from sojourn.core.copy import CopyOutcome, plan_copy
from sojourn.core.record import Dated, Record
from sojourn.core.store import Applied, Change, Commit, Create, End, Mark, Refused, Store
from sojourn.manager.copy import MAX_ATTEMPTS, PAGE, copy_sessions
from sojourn.stores.memory import MemoryStore
from sojourn.testing.records import HOUR, MINUTE, NOW, live, make_record, put

KEEP = 86_400.0


def copied(source: Store, target: Store, now: int = NOW) -> Counter[CopyOutcome]:
    return copy_sessions(source, target, keep_ended=KEEP, clock=lambda: now)


@pytest.fixture
def stores() -> tuple[MemoryStore, MemoryStore]:
    return MemoryStore(), MemoryStore()


def both(stores: tuple[MemoryStore, MemoryStore], **fields: object) -> Record:
    """A record that was copied."""
    record = put(stores[0], "ada", data={"n": b"1"}, **fields)
    assert copied(*stores) == {"copied": 1}
    return record


def write(store: Store, id: str, now: int = NOW, seen_at: int | None = None, **data: bytes | None) -> None:
    """Set or remove keys, as an application does."""
    before = live(store, id)
    changes = {key: Change(before.data.get(key), value) for key, value in data.items()}
    done = store.commit(Commit(id=id, now=now, changes=changes, seen_at=seen_at, max_bytes=32768))
    assert isinstance(done, Applied)


def renew(store: Store, id: str, at: int) -> None:
    """Issue a new secret."""
    before = live(store, id).secrets
    after = replace(before, next=(*before.next, Dated(os.urandom(16), at)))
    assert isinstance(store.commit(Commit(id=id, now=at, secrets=(before, after), max_bytes=9)), Applied)


def test_everything_of_a_session_is_copied(stores: tuple[MemoryStore, MemoryStore]) -> None:
    source, target = stores
    put(source, "ada", data={"cart": b"[1]"}, version=17, remember=True, key_thumbprint="x")
    put(source, data={"": b"null"}, follows="logout", secrets=replace(make_record().secrets, rotated_at=5))
    source.end(End(put(source, "bob", data={"n": b"1"}).id, "revoked", NOW + 1))

    assert copied(*stores) == {"copied": 3}
    assert target.scan("", 9) == source.scan("", 9)
    assert copied(*stores) == {"same": 3}


def test_what_ended_long_ago_is_left_behind_and_what_is_to_be_told_is_not(
    stores: tuple[MemoryStore, MemoryStore],
) -> None:
    source, target = stores
    for ago in (23 * HOUR, 25 * HOUR):
        source.end(End(put(source, created_at=NOW - ago, seen_at=NOW - ago).id, "logout", NOW - ago))
        put(source, created_at=NOW - ago - HOUR, seen_at=NOW - ago - 30 * MINUTE)  # ran out then, and nobody came

    assert copied(*stores) == {"copied": 2, "left": 2}
    assert len(target.scan("", 9)) == 2


def test_what_was_written_meanwhile_is_brought_up_to_date(stores: tuple[MemoryStore, MemoryStore]) -> None:
    source, target = stores
    record = both(stores)
    for n in range(2, 9):
        write(source, record.id, n=b"%d" % n)
    write(source, record.id, NOW + 1, NOW + 1, n=None, cart=b"[]")
    renew(source, record.id, NOW + 2)

    assert copied(*stores, NOW + 3) == {"updated": 1}
    assert target.get(record.id) == source.get(record.id)
    assert live(target, record.id).version == 9
    assert copied(*stores, NOW + 3) == {"same": 1}


@pytest.mark.parametrize("where", [0, 1])
def test_a_key_that_was_registered_since_is_copied_and_none_is_given_up(
    stores: tuple[MemoryStore, MemoryStore], where: int
) -> None:
    id = both(stores).id
    before = live(stores[where], id).secrets
    after = replace(before, key="ES256 x y")
    assert isinstance(stores[where].commit(Commit(id=id, now=NOW, secrets=(before, after), max_bytes=9)), Applied)
    renew(stores[1 - where], id, NOW + 1)

    assert copied(*stores, NOW + 2) == {"updated": 1}
    there = live(stores[1], id).secrets
    assert (there.key, len(there.next)) == ("ES256 x y", 1)


def test_data_that_was_emptied_is_emptied(stores: tuple[MemoryStore, MemoryStore]) -> None:
    source, target = stores
    record = both(stores)
    write(source, record.id, n=None)
    assert copied(*stores) == {"updated": 1}
    write(source, record.id, x=b"1")
    write(source, record.id, x=None)
    assert copied(*stores) == {"updated": 1}
    assert target.get(record.id) == source.get(record.id)
    assert live(target, record.id).data == {}


def test_who_is_seen_here_does_not_run_out_there(stores: tuple[MemoryStore, MemoryStore]) -> None:
    source, target = stores
    record = both(stores)
    later = NOW + 29 * MINUTE
    source.commit(Commit(id=record.id, now=later, seen_at=later, max_bytes=9))

    # By then it has run out there: it had not been seen for 45 minutes.
    assert copied(*stores, NOW + 45 * MINUTE) == {"updated": 1}
    assert live(target, record.id).seen_at == later
    assert live(target, record.id).end_reason_at(NOW + 45 * MINUTE) is None


def test_who_is_seen_there_is_not_made_to_run_out(stores: tuple[MemoryStore, MemoryStore]) -> None:
    source, target = stores
    record = both(stores)
    later = NOW + 29 * MINUTE
    target.commit(Commit(id=record.id, now=later, seen_at=later, max_bytes=9))
    assert copied(*stores, later) == {"newer": 1}

    over = NOW + 40 * MINUTE
    assert copied(*stores, over) == {"newer": 1}
    source.end(End(record.id, "idle_timeout", over))
    assert copied(*stores, over) == {"newer": 1}
    assert live(target, record.id).end_reason_at(over) is None


def test_what_ran_out_on_both_sides_is_left_as_it_is(stores: tuple[MemoryStore, MemoryStore]) -> None:
    both(stores)
    assert copied(*stores, NOW + HOUR) == {"same": 1}


@pytest.mark.parametrize("reason", ["logout", "revoked", "replaced", "token_reuse", "limit"])
def test_an_end_here_is_an_end_there_however_far_that_one_is_ahead(
    stores: tuple[MemoryStore, MemoryStore], reason: str
) -> None:
    source, target = stores
    record = both(stores)
    for n in range(5):
        write(target, record.id, NOW, NOW + 5 * MINUTE, n=b"%d" % n)
    source.end(End(record.id, reason, NOW + 7))  # type: ignore[arg-type]

    assert copied(*stores, NOW + 10) == {"ended": 1}
    there = live(target, record.id)
    assert (there.ended_at, there.end_reason, there.data) == (NOW + 7, reason, {})
    assert copied(*stores, NOW + 10) == {"same": 1}


def test_an_end_there_stays_an_end_however_far_this_one_is_ahead(stores: tuple[MemoryStore, MemoryStore]) -> None:
    source, target = stores
    record = both(stores)
    target.end(End(record.id, "logout", NOW + 1))
    for n in range(5):
        write(source, record.id, n=b"%d" % n)

    assert copied(*stores) == {"newer": 1}
    assert live(target, record.id).end_reason == "logout"


def test_of_two_versions_the_higher_one_stands(stores: tuple[MemoryStore, MemoryStore]) -> None:
    source, target = stores
    record = both(stores)
    for n in (2, 3):
        write(source, record.id, n=b"%d" % n)
    write(target, record.id, m=b"1")
    assert copied(*stores) == {"updated": 1}
    assert live(target, record.id).data == {"n": b"3"}

    for n in (4, 5):
        write(target, record.id, n=b"%d" % n)
    write(source, record.id, n=b"9")
    assert copied(*stores) == {"newer": 1}
    assert live(target, record.id).data == {"n": b"5"}
    # And back.
    assert copied(target, source) == {"updated": 1}
    assert live(source, record.id).data == {"n": b"5"}


def test_of_two_equal_versions_the_other_stores_stands(stores: tuple[MemoryStore, MemoryStore]) -> None:
    source, target = stores
    record = both(stores)
    write(source, record.id, n=b"2")
    write(target, record.id, n=b"3")

    assert copied(*stores) == {"newer": 1}
    assert live(target, record.id).data == {"n": b"3"}


def test_of_two_kinds_of_secrets_those_that_were_renewed_later_stand(stores: tuple[MemoryStore, MemoryStore]) -> None:
    source, target = stores
    record = both(stores)
    renew(target, record.id, NOW + 1)
    renew(source, record.id, NOW + 2)
    assert copied(*stores) == {"updated": 1}
    assert live(target, record.id).secrets == live(source, record.id).secrets

    renew(target, record.id, NOW + 3)
    assert copied(*stores) == {"newer": 1}
    assert live(target, record.id).secrets != live(source, record.id).secrets


class Meddling(MemoryStore):
    """A store in which something happens right before each write."""

    def __init__(self, meddle: Callable[[MemoryStore], None]) -> None:
        super().__init__()
        self.meddle: Callable[[MemoryStore], None] | None = meddle

    def _happen(self) -> None:
        if meddle := self.meddle:
            self.meddle = None
            meddle(self)

    def create(self, create: Create) -> Applied | Refused:
        self._happen()
        return super().create(create)

    def commit(self, commit: Commit) -> Applied | Refused:
        self._happen()
        return super().commit(commit)


def assert_copied(source: Store, target: Store) -> None:
    assert copied(source, target) == {"copied": 1}


def assert_ended(store: Store, id: str) -> None:
    assert store.end(End(id, "logout", NOW)) is not None


def test_two_that_copy_at_once_are_one(stores: tuple[MemoryStore, MemoryStore]) -> None:
    source, _ = stores
    record = put(source, data={"n": b"1"})
    target = Meddling(lambda store: assert_copied(source, store))

    assert copied(source, target) == {"same": 1}
    assert target.get(record.id) == source.get(record.id)


def test_a_log_out_there_in_the_middle_is_final(stores: tuple[MemoryStore, MemoryStore]) -> None:
    source, _ = stores
    record = put(source, data={"n": b"1"})
    target = Meddling(lambda store: None)
    copied(source, target)
    for n in range(2, 9):
        write(source, record.id, n=b"%d" % n)
    target.meddle = lambda store: assert_ended(store, record.id)

    assert copied(source, target) == {"newer": 1}
    assert live(target, record.id).end_reason == "logout"


class Busy(MemoryStore):
    """A store in which somebody else is always quicker."""

    refused = 0

    def commit(self, commit: Commit) -> Applied | Refused:
        self.refused += 1
        return Refused(self.get(commit.id))


def test_where_somebody_writes_without_a_pause_there_it_is_left_to_them() -> None:
    source, target = MemoryStore(), Busy()
    record = put(source, data={"n": b"1"})
    copied(source, target)
    write(source, record.id, n=b"2")

    assert copied(source, target) == {"newer": 1}
    assert target.refused == MAX_ATTEMPTS


def test_pages_are_told_as_they_are_copied(stores: tuple[MemoryStore, MemoryStore]) -> None:
    source, target = stores
    for _ in range(PAGE + 1):
        put(source)
    told: list[Mapping[CopyOutcome, int]] = []

    counts = copy_sessions(
        source, target, keep_ended=KEEP, clock=lambda: NOW, on_page=lambda counts: told.append(dict(counts))
    )

    assert told == [{"copied": PAGE}, {"copied": PAGE + 1}]
    assert counts == {"copied": PAGE + 1}
    assert len(target.scan("", 2 * PAGE)) == PAGE + 1


def test_what_outlived_an_end_of_all_at_home_is_copied_and_the_instant_before_it(
    stores: tuple[MemoryStore, MemoryStore],
) -> None:
    source, target = stores
    mine, other = put(source, "ada"), put(source, "ada", realm="shop")
    source.end_all("ada", "revoked", NOW + 10, mine.id)
    source.end_all("eve", "revoked", NOW + 20)  # who has no session
    source.bar(NOW + 5, "shop")

    assert copied(*stores) == {"copied": 2}
    assert copied(*stores) == {"same": 2}
    assert {live(target, each.id).ended_at for each in (mine, other)} == {None}
    assert target.bars("", 9) == source.bars("", 9) != []
    for user, began_at in (("ada", NOW + 9), ("eve", NOW + 19)):
        with pytest.raises(SessionEnded):
            target.create(Create(record=make_record(user), now=NOW + 30, began_at=began_at))


def test_an_end_of_all_that_was_asked_for_there_refuses_what_began_before_it(
    stores: tuple[MemoryStore, MemoryStore],
) -> None:
    source, target = stores
    put(source, "ada"), put(source, "bob")
    source.end(End(put(source, "ada", created_at=NOW - 1, seen_at=NOW - 1).id, "logout", NOW))
    later = put(source, "ada", created_at=NOW + 10)
    target.end_all("ada", "revoked", NOW + 10)

    assert copied(*stores, NOW + 20) == {"copied": 3, "barred": 1}
    assert [record.id for record in target.list("ada", NOW + 20)] == [later.id]
    assert copied(*stores, NOW + 20) == {"same": 3, "barred": 1}


def test_marks_are_copied_so_that_a_session_that_ended_cannot_open_again(
    stores: tuple[MemoryStore, MemoryStore],
) -> None:
    source, target = stores
    marks = [Mark(f"{n:032x}", "b" * 32, NOW + n) for n in range(PAGE + 1)]
    for mark in marks:
        source.put_mark(mark)

    assert copied(*stores) == {}
    assert target.marks("", 2 * PAGE) == marks


# Whatever happens on both sides

KEYS = st.sampled_from(["a", "b"])
DEEDS = st.one_of(
    st.tuples(st.just("set"), KEYS, st.integers(0, 3)),
    st.tuples(st.just("remove"), KEYS, st.just(0)),
    st.tuples(st.just("seen"), st.just(""), st.integers(0, 40)),
    st.tuples(st.just("renew"), st.just(""), st.just(0)),
    st.tuples(st.sampled_from(["logout", "revoked", "idle_timeout"]), st.just(""), st.just(0)),
)


def do(store: MemoryStore, id: str, deed: tuple[str, str, int], now: int) -> None:
    what, key, number = deed
    before = live(store, id)
    if what in ("set", "remove"):
        change = Change(before.data.get(key), b"%d" % number if what == "set" else None)
        store.commit(Commit(id=id, now=now, changes={key: change}, max_bytes=999))
    elif what == "seen":
        store.commit(Commit(id=id, now=now, seen_at=NOW + number * MINUTE, max_bytes=999))
    elif what == "renew":
        after = replace(before.secrets, next=(*before.secrets.next, Dated(os.urandom(16), now)))
        store.commit(Commit(id=id, now=now, secrets=(before.secrets, after), max_bytes=999))
    else:
        store.end(End(id, what, now))  # type: ignore[arg-type]


@settings(max_examples=300)
@given(st.lists(st.tuples(st.booleans(), DEEDS), max_size=12), st.integers(0, 60))
def test_whatever_happens_on_both_sides_one_run_settles_it_and_a_run_back_makes_them_one(
    deeds: list[tuple[bool, tuple[str, str, int]]], after: int
) -> None:
    source, target = MemoryStore(), MemoryStore()
    id = put(source, data={"a": b"0"}).id
    copied(source, target)
    for second, (here, deed) in enumerate(deeds):
        do(source if here else target, id, deed, NOW + second)
    now = NOW + len(deeds) + after * MINUTE
    was, there = live(source, id), live(target, id)

    copied(source, target, now)

    assert live(source, id) == was
    found = live(target, id)
    assert set(copied(source, target, now)) <= {"same", "newer"}
    assert live(target, id) == found
    if there.ended_at is not None:
        assert found == there
    elif was.end_reason_at(now) is None:
        newest = was if was.version > there.version else there
        assert (found.version, found.data) == (newest.version, newest.data)
        assert found.seen_at == max(was.seen_at, there.seen_at)
    copied(target, source, now)
    back = live(source, id)
    assert (back.ended_at is None) == (found.ended_at is None)
    if back.end_reason_at(now) is None and back.version != was.version:
        assert (back.version, back.data) == (found.version, found.data)


def test_a_token_opens_the_copy_and_a_logged_out_one_does_not() -> None:
    source, target = MemoryStore(), MemoryStore()
    manager = SessionManager(source)
    tokens = []
    for _ in range(2):
        session = manager.anonymous()
        session.login("ada")
        token = manager.commit(session).token
        assert token is not None
        tokens.append(token.reveal())
    manager.revoke(tokens[1][4:36])
    copy_sessions(source, target, keep_ended=KEEP)

    there = SessionManager(target)
    assert there.open(tokens[0]).user_id == "ada"
    assert there.open(tokens[1]).end_reason == "revoked"
    assert plan_copy(live(source, tokens[0][4:36]), target.get(tokens[0][4:36]), NOW, 0).writes == ()
