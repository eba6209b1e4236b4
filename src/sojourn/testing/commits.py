"""The contract's first part: what is kept comes back, and a commit changes it only from what was loaded."""

from __future__ import annotations

from msgspec.structs import replace

from sojourn.core.errors import DataTooLarge, SessionExists
from sojourn.core.record import Dated, Secrets
from sojourn.core.store import Applied, Create, Refused, Store

from .records import HOUR, MINUTE, NOW, change, commit, ids, live, make_record, put, raises

__all__ = ["CommitContract"]


class CommitContract:
    """Mixed into StoreContract."""

    store: Store

    def test_an_unknown_id_is_none(self) -> None:
        """Missing is a value, not an error."""
        assert self.store.get("0" * 32) is None

    def test_a_record_comes_back_as_it_was_kept(self) -> None:
        """Every field, text of every script, and no data at all."""
        secrets = Secrets(
            b"f" * 16,
            b"c" * 16,
            NOW,
            next=(Dated(b"n" * 16, NOW + 1), Dated(b"m" * 16, NOW + 3)),
            late=(Dated(b"l" * 16, NOW),),
            retired=(Dated(b"r" * 16, NOW + 2),),
            key="ES256 x y",
        )
        data = {"näme": '"Zoë 🦊"'.encode(), "n": b"1", "l": b'[1,{"a":null}]', 'quo"te': b"true"}
        full = put(
            self.store,
            "ada",
            secrets=secrets,
            data=data,
            remember=True,
            key_thumbprint="abc",
            nonce_key="def",
            version=7,
            level="aal2",
            methods=("pwd", "otp"),
        )
        bare = put(self.store)
        unregistered = put(self.store, "eve", nonce_key="def")

        assert self.store.get(full.id) == full
        assert self.store.get(unregistered.id) == unregistered
        assert self.store.get(bare.id) == bare

    def test_an_id_that_is_taken_is_refused(self) -> None:
        """A random source that repeats itself must not hand one session to two people."""
        record = put(self.store, "ada", data={"k": b"1"})
        other = replace(record, data={"k": b"2"}, secrets=Secrets(b"f" * 16, b"o" * 16, NOW))
        raises(SessionExists, lambda: self.store.create(Create(record=other, now=NOW, began_at=NOW)))

        assert self.store.get(record.id) == record
        assert ids(self.store, "ada") == [record.id]

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
        raises(DataTooLarge, lambda: self.store.commit(grow))
        shrink = commit(record, max_bytes=100, changes={"big": change(record.data["big"], b'"' + b"x" * 300 + b'"')})

        assert self.store.commit(shrink) == Applied(2)

    # Timeouts and secrets

    def test_a_touch_moves_the_idle_timeout_and_no_version(self) -> None:
        """And never back, but from the future."""
        record = put(self.store)

        assert self.store.commit(commit(record, seen_at=NOW + 5 * MINUTE)) == Applied(1)
        assert self.store.commit(commit(record, now=NOW + 6 * MINUTE, seen_at=NOW + 2 * MINUTE)) == Applied(1)
        assert live(self.store, record.id).seen_at == NOW + 5 * MINUTE

    def test_a_time_in_the_future_is_put_right_by_the_next_touch(self) -> None:
        """A clock that was ahead must not make the idle timeout come late for ever."""
        record = put(self.store, "ada", seen_at=NOW + HOUR)
        self.store.commit(commit(record, changes={"a": change(None, b"1")}))
        assert live(self.store, record.id).seen_at == NOW + HOUR
        self.store.commit(commit(record, now=NOW + MINUTE, seen_at=NOW + MINUTE))

        assert live(self.store, record.id).seen_at == NOW + MINUTE
        assert ids(self.store, "ada", NOW + 31 * MINUTE - 1) == [record.id]
        assert ids(self.store, "ada", NOW + 31 * MINUTE) == []
        assert isinstance(self.store.commit(commit(record, now=NOW + 31 * MINUTE)), Refused)

    def test_a_touch_from_the_future_counts_as_now(self) -> None:
        """By the clock of the commit itself."""
        record = put(self.store)
        self.store.commit(commit(record, now=NOW + MINUTE, seen_at=NOW + HOUR))

        assert live(self.store, record.id).seen_at == NOW + MINUTE

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
