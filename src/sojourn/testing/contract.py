"""StoreContract: what every store promises, as tests. A store is what passes it."""

from __future__ import annotations

from msgspec.structs import replace

from sojourn.errors import DataTooLarge, SessionExists, SessionLimitReached
from sojourn.record import Dated, Record, Secrets
from sojourn.store import Applied, Create, End, Ends, Limit, Refused, Store

from .races import Races
from .records import HOUR, MINUTE, NOW, change, commit, live, make_record, put

__all__ = ["StoreContract"]


class StoreContract(Races):
    """Subclass it as `TestSomething`, and give it `make_store`: a new, empty store at each call."""

    store: Store

    def make_store(self) -> Store:
        """A new, empty store."""
        raise NotImplementedError("StoreContract needs make_store().")

    def setup_method(self) -> None:
        """Each test has a store of its own."""
        self.store = self.make_store()

    def teardown_method(self) -> None:
        """And closes it."""
        self.store.close()

    # Reading and creating

    def test_an_unknown_id_is_none(self) -> None:
        """Missing is a value, not an error."""
        assert self.store.get("0" * 32) is None

    def test_a_record_comes_back_as_it_was_kept(self) -> None:
        """Every field, text of every script, and no data at all."""
        secrets = Secrets(b"c" * 32, NOW, (Dated(b"n" * 32, NOW + 1),), (Dated(b"r" * 32, NOW + 2),))
        data = {"näme": '"Zoë 🦊"'.encode(), "n": b"1", "l": b'[1,{"a":null}]', 'quo"te': b"true"}
        full = put(self.store, "ada", secrets=secrets, data=data, remember=True, key_thumbprint="abc", version=7)
        bare = put(self.store)

        assert self.store.get(full.id) == full
        assert self.store.get(bare.id) == bare

    def test_an_id_that_is_taken_is_refused(self) -> None:
        """A random source that repeats itself must not hand one session to two people."""
        record = put(self.store, "ada", data={"k": b"1"})
        _raises(SessionExists, lambda: self.store.create(Create(record=replace(record, user_id="eve"), now=NOW)))

        assert self.store.get(record.id) == record
        assert self.store.list("eve", NOW) == []

    # Committing

    def test_a_commit_changes_its_keys_and_no_other(self) -> None:
        """Set, replace and remove; one more version."""
        record = put(self.store, data={"a": b"1", "b": b"2", "c": b"3"})
        changes = {"a": change(b"1", b"10"), "b": change(b"2", None), "d": change(None, b"4")}
        answer = self.store.commit(commit(record, changes=changes))

        assert answer == Applied(2)
        assert live(self.store, record.id).data == {"a": b"10", "c": b"3", "d": b"4"}
        assert live(self.store, record.id).version == 2

    def test_a_commit_made_on_old_values_changes_nothing(self) -> None:
        """Not one key of it; and it is told the record as it is."""
        record = put(self.store, data={"a": b"1"})
        self.store.commit(commit(record, changes={"a": change(b"1", b"2")}))
        changes = {"b": change(None, b"9"), "a": change(b"1", b"3")}
        answer = self.store.commit(commit(record, changes=changes, seen_at=NOW + MINUTE))

        assert answer == Refused(live(self.store, record.id))
        assert live(self.store, record.id).data == {"a": b"2"}
        assert live(self.store, record.id).seen_at == NOW

    def test_a_key_that_appeared_or_vanished_meanwhile_is_old_too(self) -> None:
        """None is a value that is compared."""
        record = put(self.store, data={"a": b"1"})

        assert isinstance(self.store.commit(commit(record, changes={"a": change(None, b"2")})), Refused)
        assert isinstance(self.store.commit(commit(record, changes={"b": change(b"1", b"2")})), Refused)

    def test_writers_of_different_keys_do_not_meet(self) -> None:
        """Both had loaded version 1; both apply."""
        record = put(self.store)

        assert self.store.commit(commit(record, changes={"a": change(None, b"1")})) == Applied(2)
        assert self.store.commit(commit(record, changes={"b": change(None, b"2")})) == Applied(3)

    def test_a_commit_never_creates(self) -> None:
        """Whatever it holds."""
        record = make_record(data={"a": b"1"})
        answer = self.store.commit(commit(record, changes={"a": change(None, b"1")}, seen_at=NOW))

        assert answer == Refused(None)
        assert self.store.get(record.id) is None

    def test_increments_add_up(self) -> None:
        """From what the store holds, not from what was loaded; a missing counter is 0."""
        record = put(self.store, data={"n": b"5"})
        self.store.commit(commit(record, increments={"n": 2, "m": 1}))
        self.store.commit(commit(record, increments={"n": -10, "m": 1}))

        assert live(self.store, record.id).data == {"n": b"-3", "m": b"2"}

    def test_an_increment_of_what_is_no_integer_is_refused(self) -> None:
        """And changes nothing else."""
        record = put(self.store, data={"n": b'"five"'})
        answer = self.store.commit(commit(record, increments={"m": 1, "n": 1}))

        assert isinstance(answer, Refused)
        assert live(self.store, record.id).data == {"n": b'"five"'}

    def test_data_over_the_limit_is_refused_and_may_shrink(self) -> None:
        """A session that a wider policy filled can always be emptied."""
        record = put(self.store, data={"big": b'"' + b"x" * 500 + b'"'})
        grow = commit(record, max_bytes=600, changes={"more": change(None, b'"' + b"y" * 200 + b'"')})
        _raises(DataTooLarge, lambda: self.store.commit(grow))
        shrink = commit(record, max_bytes=100, changes={"big": change(record.data["big"], b'"' + b"x" * 300 + b'"')})

        assert self.store.commit(shrink) == Applied(2)

    # Timeouts and secrets

    def test_a_touch_moves_the_idle_timeout_and_no_version(self) -> None:
        """And never back."""
        record = put(self.store)

        assert self.store.commit(commit(record, seen_at=NOW + 5 * MINUTE)) == Applied(1)
        assert self.store.commit(commit(record, seen_at=NOW + 2 * MINUTE)) == Applied(1)
        assert live(self.store, record.id).seen_at == NOW + 5 * MINUTE

    def test_a_session_past_its_timeouts_takes_no_commit(self) -> None:
        """Idle or absolute, to the millisecond."""
        idle = put(self.store)
        old = put(self.store, seen_at=NOW + 12 * HOUR - MINUTE)
        changes = {"a": change(None, b"1")}

        assert isinstance(self.store.commit(commit(idle, now=NOW + 30 * MINUTE, changes=changes)), Refused)
        assert isinstance(self.store.commit(commit(old, now=NOW + 12 * HOUR, changes=changes)), Refused)
        assert isinstance(self.store.commit(commit(idle, now=NOW + 30 * MINUTE - 1, changes=changes)), Applied)

    def test_a_commit_counts_its_own_activity(self) -> None:
        """A request that came in time may finish after the old limit."""
        record = put(self.store)
        late = commit(record, now=NOW + 31 * MINUTE, seen_at=NOW + 29 * MINUTE, changes={"a": change(None, b"1")})

        assert self.store.commit(late) == Applied(2)

    def test_secrets_change_only_from_those_that_were_loaded(self) -> None:
        """So that two rotations at once are one."""
        record = put(self.store)
        first = replace(record.secrets, next=(Dated(b"1" * 32, NOW),))
        second = replace(record.secrets, next=(Dated(b"2" * 32, NOW),))

        assert self.store.commit(commit(record, secrets=(record.secrets, first))) == Applied(1)
        assert isinstance(self.store.commit(commit(record, secrets=(record.secrets, second))), Refused)
        assert live(self.store, record.id).secrets == first

    # Ending

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
        assert self.store.create(Create(record=successor, now=NOW, ends=ends)) == Refused(ended)
        assert self.store.get(successor.id) is None
        assert live(self.store, record.id) == ended

    def test_a_new_session_ends_the_one_before_in_the_same_step(self) -> None:
        """Only from the version that its data was carried from."""
        record = put(self.store, data={"a": b"1"})
        self.store.commit(commit(record, changes={"a": change(b"1", b"2")}))
        successor = make_record("ada")
        stale = Create(record=successor, now=NOW, ends=Ends(record.id, "replaced", 1))

        assert self.store.create(stale) == Refused(live(self.store, record.id))
        assert self.store.get(successor.id) is None
        fresh = Create(record=successor, now=NOW, ends=Ends(record.id, "replaced", 2))
        assert self.store.create(fresh) == Applied(1)
        assert live(self.store, record.id).end_reason == "replaced"

    # A user's sessions

    def test_list_gives_the_live_sessions_of_one_user(self) -> None:
        """The latest seen first."""
        early, late = put(self.store, "ada"), put(self.store, "ada", seen_at=NOW + MINUTE)
        gone = put(self.store, "ada")
        self.store.end(End(gone.id, "logout", NOW))
        put(self.store, "ada", idle_timeout=1)
        put(self.store, "bob")
        put(self.store)

        assert list(self.store.list("ada", NOW + 2 * MINUTE)) == [late, early]
        assert list(self.store.list("nobody", NOW)) == []

    def test_end_all_ends_all_of_one_user_but_the_kept(self) -> None:
        """Each of them once."""
        mine = [put(self.store, "ada") for _ in range(4)]
        other = put(self.store, "bob")
        self.store.end(End(mine[3].id, "logout", NOW))
        ids = self.store.end_all("ada", "revoked", NOW + 1, mine[0].id)

        assert sorted(ids) == sorted(record.id for record in mine[1:3])
        assert self._ids("ada") == [mine[0].id]
        assert live(self.store, mine[1].id).end_reason == "revoked"
        assert live(self.store, mine[1].id).data == {}
        assert self._ids("bob") == [other.id]
        assert list(self.store.end_all("ada", "revoked", NOW + 2)) == [mine[0].id]

    def test_a_cap_refuses_one_session_too_many(self) -> None:
        """Nothing is written; dead sessions, and the one that is replaced, do not count."""
        first = put(self.store, "ada")
        put(self.store, "ada", idle_timeout=1)
        put(self.store, "ada")
        more = Create(record=make_record("ada"), now=NOW + 10, limit=Limit(2, end_oldest=False))
        _raises(SessionLimitReached, lambda: self.store.create(more))
        again = replace(more, ends=Ends(first.id, "replaced", 1))

        assert self.store.get(more.record.id) is None
        assert self.store.create(again) == Applied(1)
        assert len(self._ids("ada", NOW + 10)) == 2

    def test_a_cap_can_end_the_oldest(self) -> None:
        """By when they were made; the reason is `limit`."""
        records = [put(self.store, "ada", created_at=NOW + age) for age in (3, 1, 2)]
        more = Create(record=make_record("ada", created_at=NOW + 9), now=NOW + 9, limit=Limit(2, end_oldest=True))
        answer = self.store.create(more)

        assert isinstance(answer, Applied)
        assert sorted(answer.ended) == sorted([records[1].id, records[2].id])
        assert live(self.store, records[1].id).end_reason == "limit"
        assert sorted(self._ids("ada", NOW + 10)) == sorted([records[0].id, more.record.id])

    # Clean-up and looking around

    def test_clean_up_deletes_what_is_dead_for_long_in_batches(self) -> None:
        """Ended or run out; the live stay."""
        alive = put(self.store, "ada", absolute_expires_at=NOW + 99 * HOUR, idle_timeout=99 * HOUR)
        ended, run_out = put(self.store, "ada"), put(self.store)
        self.store.end(End(ended.id, "logout", NOW + 1))
        recent = put(self.store, "ada", idle_timeout=9 * HOUR)
        self.store.end(End(recent.id, "logout", NOW + 2 * HOUR))

        assert self.store.delete_expired(NOW, 10) == 0
        assert self.store.delete_expired(NOW + HOUR, 1) == 1
        assert self.store.delete_expired(NOW + HOUR, 10) == 1
        assert [self.store.get(record.id) is None for record in (ended, run_out)] == [True, True]
        assert live(self.store, recent.id).end_reason == "logout"
        assert self._ids("ada") == [alive.id]

    def test_scan_pages_through_all_in_order(self) -> None:
        """Dead ones too."""
        records = [put(self.store) for _ in range(5)]
        self.store.end(End(records[0].id, "logout", NOW))
        first = self.store.scan("", 3)
        second = self.store.scan(first[-1].id, 3)

        assert [record.id for record in [*first, *second]] == sorted(record.id for record in records)

    def test_stats_count(self) -> None:
        """Live, ended, run out, and the users among the live."""
        put(self.store, "ada"), put(self.store, "ada"), put(self.store)
        self.store.end(End(put(self.store, "bob").id, "logout", NOW))
        put(self.store, "eve", idle_timeout=1)
        stats = self.store.stats(NOW + MINUTE)

        assert (stats.live, stats.ended, stats.expired, stats.users) == (3, 1, 1, 1)

    def _ids(self, user_id: str, now: int = NOW + 1) -> list[str]:
        records: list[Record] = [*self.store.list(user_id, now)]
        return [record.id for record in records]


def _raises(error: type[Exception], call: object) -> None:
    assert callable(call)
    try:
        call()
    except error:
        return
    raise AssertionError(f"{error.__name__} was not raised")
