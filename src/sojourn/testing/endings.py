"""The contract's second part: an end is final, for one session and for all of a user's."""

from __future__ import annotations

from msgspec.structs import replace

from sojourn.core.errors import SessionLimitReached
from sojourn.core.store import Applied, Create, End, Ends, Limit, Refused, Store

from .records import HOUR, MINUTE, NOW, change, commit, ids, live, make_record, put, raises

__all__ = ["EndContract"]


class EndContract:
    """Mixed into StoreContract."""

    store: Store

    def test_an_end_drops_the_data_and_keeps_the_reason(self) -> None:
        """The row stays, to say why."""
        record = put(self.store, "ada", data={"a": b"1"})

        assert self.store.end(End(record.id, "logout", NOW + 5)) == record
        after = live(self.store, record.id)
        assert (after.end_reason, after.ended_at, after.data) == ("logout", NOW + 5, {})
        assert after.secrets == record.secrets

    def test_a_session_ends_once(self) -> None:
        """The first reason stands."""
        record = put(self.store)
        self.store.end(End(record.id, "logout", NOW))

        assert self.store.end(End(record.id, "revoked", NOW + 9)) is None
        assert live(self.store, record.id).end_reason == "logout"
        assert self.store.end(End("0" * 32, "logout", NOW)) is None

    def test_one_that_had_run_out_keeps_that_reason(self) -> None:
        """It was over before anybody revoked it."""
        record = put(self.store, "ada", data={"a": b"1"})
        later = NOW + HOUR

        assert self.store.end(End(record.id, "revoked", later)) == record
        after = live(self.store, record.id)
        assert (after.end_reason, after.ended_at, after.data) == ("idle_timeout", NOW + 30 * MINUTE, {})
        put(self.store, "ada")
        assert list(self.store.end_all("ada", "revoked", later)) == []

    def test_an_end_for_running_out_spares_the_live(self) -> None:
        """Whoever asks for it read the record before another request was seen."""
        record = put(self.store, "ada", data={"a": b"1"})
        self.store.commit(commit(record, seen_at=NOW + 20 * MINUTE, now=NOW + 20 * MINUTE))

        assert self.store.end(End(record.id, "idle_timeout", NOW + 31 * MINUTE)) is None
        assert ids(self.store, "ada", NOW + 31 * MINUTE) == [record.id]
        assert self.store.end(End(record.id, "idle_timeout", NOW + 50 * MINUTE)) is not None

    def test_an_ended_session_never_comes_back(self) -> None:
        """Not by a change, a touch, an increment, a rotation or a new session in its place."""
        record = put(self.store, "ada", data={"a": b"1"})
        self.store.end(End(record.id, "revoked", NOW))
        ended = live(self.store, record.id)
        rotated = replace(record.secrets, current=b"n" * 32)
        attempts = [
            commit(record, changes={"a": change(b"1", b"2")}),
            commit(record, changes={"a": change(None, b"2")}),
            commit(record, seen_at=NOW + MINUTE),
            commit(record, increments={"n": 1}),
            commit(record, secrets=(record.secrets, rotated)),
        ]

        assert [self.store.commit(attempt) for attempt in attempts] == [Refused(ended)] * len(attempts)
        successor = make_record("ada")
        ends = Ends(record.id, "replaced", None)
        assert self.store.create(Create(record=successor, now=NOW, began_at=NOW, ends=ends)) == Refused(ended)
        assert self.store.get(successor.id) is None
        assert live(self.store, record.id) == ended

    def test_a_new_session_ends_the_one_before_in_the_same_step(self) -> None:
        """Only from the version that its data was carried from."""
        record = put(self.store, data={"a": b"1"})
        self.store.commit(commit(record, changes={"a": change(b"1", b"2")}))
        successor = make_record("ada")
        stale = Create(record=successor, now=NOW, began_at=NOW, ends=Ends(record.id, "replaced", 1))

        assert self.store.create(stale) == Refused(live(self.store, record.id))
        assert self.store.get(successor.id) is None
        fresh = Create(record=successor, now=NOW, began_at=NOW, ends=Ends(record.id, "replaced", 2))
        assert self.store.create(fresh) == Applied(1)
        assert live(self.store, record.id).end_reason == "replaced"

    # A user's sessions

    def test_list_gives_the_live_sessions_of_one_user(self) -> None:
        """In order of id, page by page."""
        mine = sorted([put(self.store, "ada", seen_at=NOW + MINUTE) for _ in range(5)], key=lambda record: record.id)
        gone = put(self.store, "ada")
        self.store.end(End(gone.id, "logout", NOW))
        put(self.store, "ada", idle_timeout=1)
        put(self.store, "bob")
        put(self.store)

        assert list(self.store.list("ada", NOW + 2 * MINUTE)) == mine
        assert list(self.store.list("ada", NOW + 2 * MINUTE, limit=2)) == mine[:2]
        assert list(self.store.list("ada", NOW + 2 * MINUTE, after=mine[1].id, limit=2)) == mine[2:4]
        assert list(self.store.list("ada", NOW + 2 * MINUTE, after=mine[4].id)) == []
        assert list(self.store.list("nobody", NOW)) == []

    def test_to_list_ends_nothing(self) -> None:
        """A slow request may still show that its session, which seems to have run out, was in use."""
        record = put(self.store, "ada")
        late = NOW + 40 * MINUTE
        assert ids(self.store, "ada", late) == []

        touched = self.store.commit(commit(record, now=late, seen_at=NOW + 20 * MINUTE))
        assert touched == Applied(1)
        assert ids(self.store, "ada", late) == [record.id]

    def test_end_all_ends_all_of_one_user_but_the_kept(self) -> None:
        """Each of them once."""
        mine = [put(self.store, "ada") for _ in range(4)]
        other = put(self.store, "bob")
        self.store.end(End(mine[3].id, "logout", NOW))
        ended = self.store.end_all("ada", "revoked", NOW + 1, mine[0].id)

        assert sorted(ended) == sorted(record.id for record in mine[1:3])
        assert ids(self.store, "ada") == [mine[0].id]
        assert live(self.store, mine[1].id).end_reason == "revoked"
        assert live(self.store, mine[1].id).data == {}
        assert ids(self.store, "bob") == [other.id]
        assert list(self.store.end_all("ada", "revoked", NOW + 2)) == [mine[0].id]

    def test_a_cap_refuses_one_session_too_many(self) -> None:
        """Nothing is written; dead sessions, and the one that is replaced, do not count."""
        first = put(self.store, "ada")
        put(self.store, "ada", idle_timeout=1)
        put(self.store, "ada")
        more = Create(record=make_record("ada"), now=NOW + 10, began_at=NOW + 10, limit=Limit(2, end_oldest=False))
        raises(SessionLimitReached, lambda: self.store.create(more))
        again = replace(more, ends=Ends(first.id, "replaced", 1))

        assert self.store.get(more.record.id) is None
        assert self.store.create(again) == Applied(1)
        assert len(ids(self.store, "ada", NOW + 10)) == 2

    def test_a_cap_can_end_the_oldest(self) -> None:
        """By when they were made; the reason is `limit`."""
        records = [put(self.store, "ada", created_at=NOW + age) for age in (3, 1, 2)]
        more = Create(
            record=make_record("ada", created_at=NOW + 9),
            now=NOW + 9,
            began_at=NOW + 9,
            limit=Limit(2, end_oldest=True),
        )
        answer = self.store.create(more)

        assert isinstance(answer, Applied)
        assert sorted(answer.ended) == sorted([records[1].id, records[2].id])
        assert live(self.store, records[1].id).end_reason == "limit"
        assert sorted(ids(self.store, "ada", NOW + 10)) == sorted([records[0].id, more.record.id])
