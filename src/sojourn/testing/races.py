"""The contract's races: threads that do the forbidden thing at the same moment, many times over."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from sojourn.core.errors import SessionExists, SessionLimitReached
from sojourn.core.store import Applied, Create, End, Ends, Limit, Refused, Store

from .records import NOW, change, commit, live, make_record, put

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
            answers = at_once([partial(self._try_to_create, Create(record=record, now=NOW))] * THREADS)

            assert sum(isinstance(answer, Applied) for answer in answers) == 1

    def test_race_of_logins_from_one_session_has_one_successor(self) -> None:
        """The session before is replaced once, and what lost is told so."""
        for _ in range(ROUNDS):
            record = put(self.store)
            successors = [make_record("ada") for _ in range(THREADS)]
            ends = Ends(record.id, "replaced", 1)
            creates = [Create(record=successor, now=NOW, ends=ends) for successor in successors]
            answers = at_once([partial(self.store.create, create) for create in creates])

            assert sum(isinstance(answer, Applied) for answer in answers) == 1
            assert sum(isinstance(answer, Refused) for answer in answers) == THREADS - 1
            assert sum(self.store.get(successor.id) is not None for successor in successors) == 1

    def test_race_of_revoke_all_with_logins_spares_none_from_before(self) -> None:
        """A session that was acknowledged before the call is ended by it; a later one lives or was ended."""
        for number in range(ROUNDS):
            user = f"user{number}"
            before = [put(self.store, user) for _ in range(4)]
            creates = [Create(record=make_record(user), now=NOW) for _ in range(THREADS)]
            calls: list[Callable[[], object]] = [partial(self.store.create, create) for create in creates]
            calls.insert(THREADS // 2, partial(self.store.end_all, user, "revoked", NOW + 1))
            at_once(calls)
            alive = {record.id for record in self.store.list(user, NOW + 2)}

            assert alive.isdisjoint(record.id for record in before)
            ended = [create.record.id for create in creates if create.record.id not in alive]
            assert all(live(self.store, id).end_reason == "revoked" for id in ended)

    def test_race_of_revoke_all_with_a_new_id_spares_neither(self) -> None:
        """A session that was there before the call does not get away from it by being replaced."""
        for number in range(ROUNDS):
            user = f"user{number}"
            before = [put(self.store, user) for _ in range(THREADS)]
            creates = [Create(record=make_record(user), now=NOW, ends=Ends(old.id, "replaced", 1)) for old in before]
            calls: list[Callable[[], object]] = [partial(self.store.create, create) for create in creates]
            calls.insert(THREADS // 2, partial(self.store.end_all, user, "revoked", NOW + 1))
            at_once(calls)

            assert self.store.list(user, NOW + 2) == []

    def test_race_of_logins_keeps_the_cap(self) -> None:
        """Never one session too many, whichever way the cap is kept."""
        for number in range(ROUNDS // 2):
            for end_oldest in (True, False):
                user = f"user{number}{end_oldest}"
                limit = Limit(3, end_oldest)
                creates = [Create(record=make_record(user), now=NOW, limit=limit) for _ in range(THREADS)]
                at_once([partial(self._try_to_create, create) for create in creates])

                assert len(self.store.list(user, NOW + 1)) == 3

    def _try_to_create(self, create: Create) -> Applied | Refused | None:
        try:
            return self.store.create(create)
        except (SessionExists, SessionLimitReached):
            return None
