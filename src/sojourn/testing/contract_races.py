"""The contract's races: threads that do the forbidden thing at the same moment, many times over."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from sojourn.core.errors import SessionEnded, SessionExists, SessionLimitReached
from sojourn.core.store import Applied, Create, End, Ends, Limit, Mark, Refused, Store

from .records import HOUR, NOW, change, commit, live, make_record, put

__all__ = ["RaceContract"]

ROUNDS = 20
THREADS = 8

T = TypeVar("T")


def at_once(calls: Sequence[Callable[[], T]]) -> list[T]:
    """What the calls return, each made in a thread of its own, all let go at the same moment."""
    gate = threading.Barrier(len(calls))

    def run(call: Callable[[], T]) -> T:
        gate.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


class RaceContract:
    """Mixed into StoreContract."""

    store: Store

    def test_race_of_writers_of_different_keys_keeps_all(self) -> None:
        """Without one refusal."""
        record = put(self.store)
        writes = [commit(record, changes={f"k{n}": change(None, b"%d" % n)}) for n in range(THREADS * 4)]
        answers = at_once([partial(self.store.commit, write) for write in writes])

        assert all(isinstance(answer, Applied) for answer in answers)
        assert len(live(self.store, record.id).data) == len(writes)

    def test_race_of_writers_of_one_key_has_one_winner(self) -> None:
        """The others are told, and nothing of theirs is kept."""
        for _ in range(ROUNDS):
            record = put(self.store, data={"a": b"0"})
            writes = [commit(record, changes={"a": change(b"0", b"%d" % n)}) for n in range(1, THREADS)]
            answers = at_once([partial(self.store.commit, write) for write in writes])
            winners = [n for n, answer in enumerate(answers, 1) if isinstance(answer, Applied)]

            assert [live(self.store, record.id).data["a"]] == [b"%d" % n for n in winners]

    def test_race_for_one_mark_has_one_winner(self) -> None:
        """A proof is good once, whoever is asked."""
        for n in range(ROUNDS):
            mark = Mark(f"{n:032x}", "", NOW + 10_000 * HOUR)
            answers = at_once([partial(self.store.put_mark, mark)] * THREADS)

            assert sorted(answers) == [False] * (THREADS - 1) + [True]

    def test_race_of_increments_adds_up(self) -> None:
        """Without one refusal."""
        record = put(self.store)
        answers = at_once([partial(self.store.commit, commit(record, increments={"n": 1}))] * (THREADS * 4))

        assert all(isinstance(answer, Applied) for answer in answers)
        assert live(self.store, record.id).data["n"] == b"%d" % (THREADS * 4)

    def test_race_of_commits_with_an_end_leaves_it_ended(self) -> None:
        """Whatever order they came in; what was applied came before the end."""
        for _ in range(ROUNDS):
            record = put(self.store, data={"n": b"0"})
            calls: list[Callable[[], object]] = [
                partial(self.store.commit, commit(record, increments={"n": 1})) for _ in range(THREADS)
            ]
            calls.insert(THREADS // 2, partial(self.store.end, End(record.id, "logout", NOW + 1)))
            at_once(calls)
            after = live(self.store, record.id)

            assert (after.end_reason, after.data) == ("logout", {})

    def test_race_of_ends_has_one_that_did_it(self) -> None:
        """So that one event is told."""
        for _ in range(ROUNDS):
            record = put(self.store)
            answers = at_once([partial(self.store.end, End(record.id, "revoked", NOW + 1))] * THREADS)

            assert [answer for answer in answers if answer is not None] == [record]

    def test_race_of_creations_under_one_id_has_one_winner(self) -> None:
        """Nobody is handed another one's session."""
        for _ in range(ROUNDS):
            record = make_record("ada")
            answers = at_once([partial(self._try_to_create, Create(record=record, now=NOW, began_at=NOW))] * THREADS)

            assert sum(isinstance(answer, Applied) for answer in answers) == 1

    def test_race_of_logins_from_one_session_has_one_successor(self) -> None:
        """The session before is replaced once, and what lost is told so."""
        for _ in range(ROUNDS):
            record = put(self.store)
            successors = [make_record("ada") for _ in range(THREADS)]
            ends = Ends(record.id, "replaced", 1)
            creates = [Create(record=successor, now=NOW, began_at=NOW, ends=ends) for successor in successors]
            answers = at_once([partial(self.store.create, create) for create in creates])

            assert sum(isinstance(answer, Applied) for answer in answers) == 1
            assert sum(isinstance(answer, Refused) for answer in answers) == THREADS - 1
            assert sum(self.store.get(successor.id) is not None for successor in successors) == 1

    def test_race_of_revoke_all_with_logins_spares_none_from_before(self) -> None:
        """A session that was acknowledged before is ended; a log-in that began before is ended or refused."""
        for number in range(ROUNDS):
            user = f"user{number}"
            before = [put(self.store, user) for _ in range(4)]
            creates = [Create(record=make_record(user), now=NOW, began_at=NOW) for _ in range(THREADS)]
            calls: list[Callable[[], object]] = [partial(self._create_unless_barred, create) for create in creates]
            calls.insert(THREADS // 2, partial(self.store.end_all, user, "revoked", NOW + 1))
            at_once(calls)

            assert self.store.list(user, NOW + 2) == []
            for id in [record.id for record in before] + [create.record.id for create in creates]:
                found = self.store.get(id)
                assert found is None or found.end_reason == "revoked"

    def test_race_of_an_instant_for_all_with_logins_hides_none(self) -> None:
        """Whoever ends what there is after `bar` has ended all that began before."""
        for number in range(ROUNDS):
            users = [f"user{number}-{thread}" for thread in range(THREADS)]
            began = NOW + number
            creates = [Create(record=make_record(user), now=began, began_at=began) for user in [*users, None, None]]
            calls: list[Callable[[], object]] = [partial(self._create_unless_barred, create) for create in creates]
            calls.insert(THREADS // 2, partial(self._end_everything, began + 1))
            at_once(calls)

            assert all(self._is_over(create.record.id) for create in creates)

    def _create_unless_barred(self, create: Create) -> object:
        try:
            return self.store.create(create)
        except SessionEnded:
            return None

    def _end_everything(self, now: int) -> None:
        self.store.bar(now)
        after = ""
        while page := self.store.scan(after, 50):
            after = page[-1].id
            for record in page:
                if record.ended_at is None:
                    self.store.end(End(record.id, "revoked", now))

    def _is_over(self, id: str) -> bool:
        found = self.store.get(id)
        return found is None or found.ended_at is not None

    def test_race_of_revoke_all_with_a_new_id_spares_neither(self) -> None:
        """A session that was there before the call does not get away from it by being replaced."""
        for number in range(ROUNDS):
            user = f"user{number}"
            before = [put(self.store, user) for _ in range(THREADS)]
            creates = [
                Create(record=make_record(user), now=NOW, began_at=NOW, ends=Ends(old.id, "replaced", 1))
                for old in before
            ]
            calls: list[Callable[[], object]] = [partial(self._create_unless_barred, create) for create in creates]
            calls.insert(THREADS // 2, partial(self.store.end_all, user, "revoked", NOW + 1))
            at_once(calls)

            assert self.store.list(user, NOW + 2) == []

    def test_race_of_logins_keeps_the_cap(self) -> None:
        """Never one session too many, whichever way the cap is kept."""
        for number in range(ROUNDS // 2):
            for end_oldest in (True, False):
                user = f"user{number}{end_oldest}"
                limit = Limit(3, end_oldest)
                creates = [Create(record=make_record(user), now=NOW, began_at=NOW, limit=limit) for _ in range(THREADS)]
                at_once([partial(self._try_to_create, create) for create in creates])

                assert len(self.store.list(user, NOW + 1)) == 3

    def _try_to_create(self, create: Create) -> Applied | Refused | None:
        try:
            return self.store.create(create)
        except (SessionExists, SessionLimitReached):
            return None
