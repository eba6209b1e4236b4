"""The contract's part on what is kept beside sessions: instants, realms, marks; and on what goes."""

from __future__ import annotations

from msgspec.structs import replace

from sojourn.core.errors import SessionEnded
from sojourn.core.store import Applied, Bar, Create, End, Ends, Mark, Store
from sojourn.core.token import hash_user

from .records import HOUR, MINUTE, NOW, ids, live, make_record, put, raises

__all__ = ["InstantContract"]


class InstantContract:
    """Mixed into StoreContract."""

    store: Store

    def test_what_began_before_end_all_is_not_created_after_it(self) -> None:
        """A log-in whose password was checked before; not one that began at that moment or later."""
        self.store.end_all("ada", "revoked", NOW + 10)
        late = Create(record=make_record("ada"), now=NOW + 20, began_at=NOW + 9)
        raises(SessionEnded, lambda: self.store.create(late))

        assert self.store.get(late.record.id) is None
        assert self.store.create(replace(late, began_at=NOW + 10)) == Applied(1)
        assert self.store.create(replace(late, record=make_record("bob"))) == Applied(1)
        assert self.store.create(replace(late, record=make_record())) == Applied(1)

    def test_an_instant_never_moves_back(self) -> None:
        """Nor does another one of the same user lift it."""
        self.store.end_all("ada", "revoked", NOW + 10)
        self.store.end_all("ada", "revoked", NOW + 5)
        self.store.bar(NOW + 3)
        self.store.bar(NOW + 2)
        late = Create(record=make_record("ada"), now=NOW + 20, began_at=NOW + 9)

        raises(SessionEnded, lambda: self.store.create(late))
        raises(SessionEnded, lambda: self.store.create(replace(late, record=make_record(), began_at=NOW + 2)))
        assert self.store.create(replace(late, record=make_record("bob"), began_at=NOW + 3)) == Applied(1)

    def test_the_session_that_was_kept_may_be_replaced_by_what_began_before(self) -> None:
        """Who changes the password ends the other sessions, and renews this one, in one request."""
        kept, other = put(self.store, "ada"), put(self.store, "ada")
        self.store.end_all("ada", "revoked", NOW + 10, kept.id)
        create = Create(record=make_record("ada"), now=NOW + 11, began_at=NOW + 1, ends=Ends(kept.id, "replaced", None))

        assert live(self.store, other.id).end_reason == "revoked"
        assert self.store.create(create) == Applied(1)

    def test_an_anonymous_session_is_no_way_round_an_instant(self) -> None:
        """It was not the user's, so that nobody has spared it."""
        anonymous = put(self.store)
        self.store.end_all("ada", "revoked", NOW + 10)
        ends = Ends(anonymous.id, "replaced", None)
        late = Create(record=make_record("ada"), now=NOW + 20, began_at=NOW + 9, ends=ends)

        raises(SessionEnded, lambda: self.store.create(late))
        assert self.store.get(late.record.id) is None
        assert live(self.store, anonymous.id).ended_at is None

    def test_an_instant_for_all_spares_nobody(self) -> None:
        """Not an anonymous visit, and not what takes the place of a live session: it might be missed."""
        mine = put(self.store, "ada")
        self.store.bar(NOW + 10)
        ends = Ends(mine.id, "replaced", None)
        late = Create(record=make_record("ada"), now=NOW + 20, began_at=NOW + 9, ends=ends)

        raises(SessionEnded, lambda: self.store.create(late))
        raises(SessionEnded, lambda: self.store.create(replace(late, record=make_record(), ends=None)))
        assert live(self.store, mine.id).ended_at is None
        assert self.store.create(replace(late, began_at=NOW + 10)) == Applied(1)

    def test_a_realm_is_a_store_of_its_own(self) -> None:
        """Its users, its ends and its instants."""
        mine, theirs = put(self.store, "ada", realm="shop"), put(self.store, "ada", realm="forum")
        nobodys = put(self.store, realm="shop")

        assert ids(self.store, "ada") == []
        assert [record.id for record in self.store.list("ada", NOW, "shop")] == [mine.id]
        assert self.store.get(nobodys.id) == nobodys
        assert self.store.end(End(mine.id, "revoked", NOW)) is None
        assert self.store.end(End(nobodys.id, "revoked", NOW, "forum")) is None
        assert list(self.store.end_all("ada", "revoked", NOW + 5)) == []
        assert list(self.store.end_all("ada", "revoked", NOW + 5, realm="forum")) == [theirs.id]
        self.store.bar(NOW + 5, "forum")
        late = Create(record=make_record("ada", realm="shop"), now=NOW + 6, began_at=NOW)
        assert self.store.create(late) == Applied(1)
        raises(SessionEnded, lambda: self.store.create(replace(late, record=make_record("ada", realm="forum"))))
        assert self.store.end(End(nobodys.id, "revoked", NOW, "shop")) == nobodys

    def test_erasing_leaves_no_row_of_a_user(self) -> None:
        """Live or dead; of others all."""
        for _ in range(3):
            put(self.store, "ada")
        dead, run_out = put(self.store, "ada"), put(self.store, "ada", idle_timeout=1)
        self.store.end(End(dead.id, "logout", NOW))
        others = [put(self.store, "bob"), put(self.store), put(self.store, "ada", realm="shop")]

        assert self.store.erase("ada") == 5
        assert self.store.erase("ada") == 0
        assert [self.store.get(record.id) for record in (dead, run_out)] == [None, None]
        assert [self.store.get(record.id) for record in others] == others
        assert ids(self.store, "ada") == []

    def test_erasing_lifts_no_instant(self) -> None:
        """Who was forgotten is not to come back by a log-in that was under way."""
        self.store.end_all("ada", "revoked", NOW + 10)
        self.store.erase("ada")

        late = Create(record=make_record("ada"), now=NOW + 20, began_at=NOW + 9)
        raises(SessionEnded, lambda: self.store.create(late))

    def test_a_mark_is_no_session(self) -> None:
        """The first one stays; it is counted and listed nowhere, and no clean-up takes it before its time."""
        # The server's own clock may judge it too.
        ends_at = NOW + 10_000 * HOUR
        mark = Mark("a" * 32, "b" * 32, ends_at)

        assert self.store.put_mark(mark) is True
        assert self.store.put_mark(Mark("a" * 32, "c" * 32, ends_at + 1)) is False
        assert self.store.put_mark(mark) is False

        assert self.store.get_mark("a" * 32) == mark
        assert self.store.get_mark("b" * 32) is None
        assert self.store.get("a" * 32) is None
        assert self.store.scan("", 10) == []
        assert self.store.stats(NOW).live == 0
        self.store.bar(NOW + 5)
        assert self.store.end_expired(ends_at, 10) == 0
        assert self.store.delete_expired(ends_at, 10) == 0
        assert self.store.get_mark("a" * 32) == mark

    def test_marks_that_ended_go_with_the_next_clean_up(self) -> None:
        """However long rows of sessions are kept: there is one to each proof of a key."""
        ends_at = NOW + 10_000 * HOUR
        for n in range(5):
            self.store.put_mark(Mark(f"{n:032x}", "", ends_at + n))
        gone = sum(self.store.end_expired(ends_at + 4, 2) for _ in range(5))

        # A store that drops them by itself, by the server's own clock, has nothing to do.
        assert gone in (0, 4)
        left = [mark.id for mark in self.store.marks("", 10)]
        assert left == [f"{n:032x}" for n in range(5)][gone and 4 :]

    def test_what_ran_out_loses_its_data_when_it_is_noticed(self) -> None:
        """And says which limit it was; a store that drops rows by itself may leave it to that."""
        alive = put(self.store, "ada", data={"a": b"1"}, idle_timeout=9 * HOUR)
        idle = put(self.store, "ada", data={"a": b"1"})
        old = put(self.store, data={"a": b"1"}, absolute_expires_at=NOW + MINUTE)
        noticed = self.store.end_expired(NOW + HOUR, 1) + self.store.end_expired(NOW + HOUR, 10)

        assert noticed in (0, 2)
        assert self.store.get(alive.id) == alive
        if noticed:
            ended = [live(self.store, record.id) for record in (idle, old)]
            assert [(each.end_reason, each.data) for each in ended] == [("idle_timeout", {}), ("absolute_timeout", {})]
            assert ended[0].ended_at == NOW + 30 * MINUTE
        assert self.store.end_expired(NOW + HOUR, 10) == 0

    def test_marks_are_listed_in_pages(self) -> None:
        """In order of id: for who moves to another store."""
        marks = [Mark(f"{n:032x}", "b" * 32, NOW + 400 * 24 * HOUR + n) for n in (3, 1, 2)]
        for mark in marks:
            self.store.put_mark(mark)
        put(self.store, "ada")
        first = self.store.marks("", 2)

        assert first == [marks[1], marks[2]]
        assert self.store.marks(first[-1].id, 2) == [marks[0]]
        assert self.store.marks(marks[0].id, 2) == []

    def test_instants_are_listed_in_pages_and_name_nobody(self) -> None:
        """Those of users and those for all, of each realm."""
        self.store.end_all("ada", "revoked", NOW + 1)
        self.store.end_all("ada", "revoked", NOW + 2, realm="shop")
        self.store.end_all("Zoë:1", "revoked", NOW + 3)
        self.store.bar(NOW + 4)
        self.store.bar(NOW + 5, "shop")
        whose = [("", "ada", 1), ("shop", "ada", 2), ("", "Zoë:1", 3), ("", None, 4), ("shop", None, 5)]
        kept = [Bar(realm, "" if user is None else hash_user(user), NOW + at) for realm, user, at in whose]
        kept.sort(key=lambda bar: bar.id)
        first = self.store.bars("", 2)

        assert [*first, *self.store.bars(first[-1].id, 9)] == kept
        assert self.store.bars(kept[-1].id, 9) == []

    def test_an_instant_of_another_store_holds_here_and_ends_nothing(self) -> None:
        """It never moves back."""
        mine = put(self.store, "ada")
        for user, at in ((hash_user("ada"), NOW + 10), (hash_user("ada"), NOW + 5), ("", NOW + 3), ("", NOW + 2)):
            self.store.put_bar(Bar("", user, at))
        late = Create(record=make_record("ada"), now=NOW + 20, began_at=NOW + 9)

        assert ids(self.store, "ada") == [mine.id]
        raises(SessionEnded, lambda: self.store.create(late))
        raises(SessionEnded, lambda: self.store.create(replace(late, record=make_record(), began_at=NOW + 2)))
        assert self.store.create(replace(late, record=make_record("bob"))) == Applied(1)
        assert self.store.create(replace(late, record=make_record("ada", realm="shop"))) == Applied(1)
        assert self.store.create(replace(late, began_at=NOW + 10)) == Applied(1)
