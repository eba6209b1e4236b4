"""The judgement of histories, on histories made by hand: what breaks a promise, and what an unknown outcome excuses."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from sojourn import ConfigurationError
from sojourn.torture.history import Fault, Heading, History, Listed, Operation, Saw, read_histories, write_history
from sojourn.torture.judgement import BROKEN, judge


class Told:
    """A history as it is told: one thing a second, each done in half of it, but where it says otherwise."""

    def __init__(self, staleness: float = 0.0) -> None:
        self.staleness = staleness
        self.operations: list[Operation] = []

    def add(self, kind: Any, client: str = "a", *, at: float | None = None, lasts: float = 0.5, **about: Any) -> str:
        """An operation that was acknowledged, if `about` says nothing else; its name."""
        number = len(self.operations)
        invoked = float(number) if at is None else at
        given = {"outcome": "ok", "completed": invoked + lasts, "process": 0, **about}
        operation = Operation(client=client, number=number, kind=kind, invoked=invoked, **given)
        self.operations.append(operation)
        return operation.name

    def login(self, session: str | None = "s", user: str | None = "ada", **about: Any) -> str:
        return self.add("login", session=session, user=user, **about)

    def write(self, session: str = "s", client: str = "a", **about: Any) -> str:
        return self.add("write", client, session=session, **about)

    def count(self, session: str = "s", **about: Any) -> str:
        return self.add("count", session=session, **about)

    def end(self, session: str | None = "s", reason: str = "logout", **about: Any) -> str:
        return self.add("end", session=session, reason=reason, **about)

    def read(self, *values: str, session: str = "s", user: str | None = "ada", count: int = 0, **about: Any) -> str:
        return self.add("read", session=session, saw=Saw("active", user, None, values, count), **about)

    def read_over(self, reason: Any = "logout", session: str = "s", **about: Any) -> str:
        return self.add("read", session=session, saw=Saw("ended", "ada", reason), **about)

    def lists(self, *listed: tuple[str, str], user: str = "ada", **about: Any) -> str:
        return self.add("list", user=user, listed=tuple(Listed(*one) for one in listed), **about)

    @property
    def broken(self) -> list[tuple[str, str]]:
        """What was broken, and to what."""
        found = judge(History(Heading(race="kill", staleness=self.staleness), self.operations))
        return [(violation.kind, violation.subject) for violation in found]


UNKNOWN: dict[str, Any] = {"outcome": "unknown", "completed": None}


# Writes


def test_all_that_was_acknowledged_and_seen_breaks_nothing() -> None:
    told = Told()
    login = told.login()
    first, other = told.write(), told.write(client="b")
    told.count()
    told.read(first, other, count=1)
    told.lists(("s", login))
    told.end()
    told.read_over()
    told.lists()

    assert told.broken == []


def test_an_acknowledged_write_that_a_later_read_lacks_is_lost() -> None:
    told = Told()
    told.login()
    value = told.write()
    told.read()

    assert told.broken == [("lost_writes", value)]


def test_a_write_that_is_lost_is_told_once_for_all_reads() -> None:
    told = Told()
    told.login()
    value = told.write()
    for _ in range(3):
        told.read()

    assert told.broken == [("lost_writes", value)]


@pytest.mark.parametrize("seen", [True, False])
def test_a_write_whose_outcome_is_unknown_may_be_there_or_not(seen: bool) -> None:
    told = Told()
    told.login()
    value = told.write(**UNKNOWN)
    told.read(*([value] if seen else []))

    assert told.broken == []


def test_a_write_of_unknown_outcome_may_come_late() -> None:
    told = Told()
    told.login()
    value = told.write(**UNKNOWN)
    told.read()
    told.read(value)

    assert told.broken == []


@pytest.mark.parametrize("seen", [True, False])
def test_a_write_that_was_under_way_may_be_seen_or_not(seen: bool) -> None:
    told = Told()
    told.login()
    value = told.write(lasts=5)
    told.read(*([value] if seen else []))

    assert told.broken == []


def test_a_value_that_is_there_twice_is_doubled_even_if_nobody_was_told_that_it_was_written() -> None:
    told = Told()
    told.login()
    value = told.write(**UNKNOWN)
    told.read(value, value)

    assert told.broken == [("doubled_writes", value)]


def test_a_value_that_was_refused_is_invented() -> None:
    told = Told()
    told.login()
    value = told.write(outcome="refused")
    told.read(value)

    assert told.broken == [("invented", value)]


def test_a_value_that_was_written_to_another_session_is_invented() -> None:
    told = Told()
    told.login()
    told.login("t", "bob")
    value = told.write("t")
    told.read(value)

    assert told.broken == [("invented", value)]


def test_a_value_that_nobody_had_written_yet_is_invented() -> None:
    told = Told()
    told.login()
    told.read("a:2")
    told.write()

    assert told.broken == [("invented", "a:2")]


def test_a_client_s_values_in_another_order_are_out_of_order() -> None:
    told = Told()
    told.login()
    first, second = told.write(), told.write()
    told.read(second, first)

    assert told.broken == [("out_of_order", "a in s")]


def test_a_value_without_the_acknowledged_one_before_it_is_out_of_order_though_a_cache_may_be_behind() -> None:
    told = Told(staleness=60)
    told.login()
    first, second = told.write(), told.write()
    told.read(second, process=1)

    assert told.broken == [("out_of_order", first)]


def test_a_value_may_lack_what_another_client_wrote_before_or_what_is_unknown() -> None:
    told = Told(staleness=60)
    told.login()
    told.write(client="b")
    told.write(**UNKNOWN)
    told.read(told.write(), process=1)

    assert told.broken == []


@pytest.mark.parametrize(("counted", "kind"), [(1, "lost_writes"), (2, None), (3, None), (4, "doubled_writes")])
def test_a_count_lies_between_what_was_acknowledged_and_what_was_asked_for(counted: int, kind: str | None) -> None:
    told = Told()
    told.login()
    told.count()
    told.count()
    told.count(**UNKNOWN)
    told.count(outcome="refused")
    told.read(count=counted)

    assert told.broken == ([(kind, "count of s")] if kind else [])


# A cache


@pytest.mark.parametrize(("staleness", "kinds"), [(0.0, ["lost_writes"]), (0.4, ["lost_writes"]), (5.0, [])])
def test_a_cache_may_be_behind_by_its_staleness_and_no_longer(staleness: float, kinds: list[str]) -> None:
    told = Told(staleness)
    told.login()
    told.write(process=1)
    told.read()

    assert [kind for kind, _ in told.broken] == kinds


def test_a_process_reads_its_own_writes_whatever_a_cache_may() -> None:
    told = Told(staleness=60)
    told.login()
    value = told.write(process=1)
    told.read(process=1)

    assert told.broken == [("lost_writes", value)]


@pytest.mark.parametrize(("staleness", "kinds"), [(0.0, ["lost_logouts"]), (0.4, ["lost_logouts"]), (5.0, [])])
def test_a_session_may_be_served_after_its_end_for_the_staleness_and_no_longer(
    staleness: float, kinds: list[str]
) -> None:
    told = Told(staleness)
    told.login()
    told.end()
    told.read()

    assert [kind for kind, _ in told.broken] == kinds


def test_what_a_process_has_seen_it_goes_on_seeing_though_its_cache_may_be_behind() -> None:
    told = Told(staleness=60)
    told.login()
    value = told.write(process=1)
    told.count(process=1)
    told.read(value, count=1)
    told.read()
    told.read(process=2)

    assert told.broken == [("went_back", "s")]


def test_a_process_that_saw_the_end_does_not_see_the_session_again() -> None:
    told = Told(staleness=60)
    told.login()
    told.end()
    told.read_over()
    told.read()

    assert told.broken == [("went_back", "s")]


def test_what_nobody_was_told_of_may_be_seen_and_be_undone_as_by_a_failover() -> None:
    told = Told()
    told.login()
    value = told.write(**UNKNOWN)
    told.count(**UNKNOWN)
    told.end(**UNKNOWN)
    told.read(value, count=1)
    told.read_over()
    told.read()

    assert told.broken == []


@pytest.mark.parametrize("lost", [{"lasts": 9}, UNKNOWN])
def test_an_end_that_is_under_way_may_be_seen_and_be_undone_and_is_made_again(lost: dict[str, Any]) -> None:
    """The primary died before its replica had it: who asked for it asks the new one, or another does."""
    told = Told()
    told.login()
    told.end(**lost)
    told.read_over()
    told.read()
    told.end(lasts=9)
    told.read()

    assert told.broken == []


def test_reads_that_overlap_are_in_no_order() -> None:
    told = Told(staleness=60)
    told.login()
    value = told.write(process=1)
    told.read(value, lasts=5)
    told.read()

    assert told.broken == []


# Ends


@pytest.mark.parametrize("by", ["logout", "revoke", "revoke all", "log-in"])
def test_a_session_is_not_served_after_an_acknowledged_end(by: str) -> None:
    told = Told()
    told.login()
    if by == "revoke all":
        told.end(None, "revoked", user="ada")
    elif by == "log-in":
        told.login("t", replaces="s")
    else:
        told.end("s", by)
    told.read()

    assert told.broken == [("lost_logouts", "s")]


def test_a_session_that_had_to_go_for_the_cap_is_not_served() -> None:
    told = Told()
    told.login(limit=1)
    told.login("t", limit=1, ended=("s",))
    told.read()

    assert told.broken == [("lost_logouts", "s")]


@pytest.mark.parametrize("kind", ["write", "count"])
def test_nothing_is_written_after_an_acknowledged_end_whatever_a_cache_may(kind: str) -> None:
    told = Told(staleness=60)
    told.login()
    told.end()
    told.add(kind, session="s")

    assert told.broken == [("lost_logouts", "s")]


def test_a_session_that_is_over_has_no_successor() -> None:
    told = Told()
    told.login()
    told.end()
    told.login("t", replaces="s")

    assert told.broken == [("lost_logouts", "s")]


def test_a_write_that_was_under_way_at_the_end_may_have_come_before_it() -> None:
    told = Told()
    told.login()
    told.end()
    told.write(at=0.9, lasts=5)
    told.read_over()

    assert told.broken == []


@pytest.mark.parametrize("live", [True, False])
def test_after_an_end_of_unknown_outcome_a_session_may_be_live_or_over(live: bool) -> None:
    told = Told()
    told.login()
    told.end(**UNKNOWN)
    if live:
        told.read()
    else:
        told.read_over()

    assert told.broken == []


def test_a_revocation_of_all_need_not_end_what_was_begun_meanwhile() -> None:
    told = Told()
    told.login(lasts=5)
    told.end(None, "revoked", user="ada")
    told.read()

    assert told.broken == []


def test_who_is_told_that_it_is_over_though_nobody_had_asked_is_served_wrongly_and_has_lost_what_was_in_it() -> None:
    told = Told()
    told.login()
    value = told.write()
    told.read_over()

    assert told.broken == [("served_wrongly", "s"), ("lost_writes", value)]


def test_an_end_says_why() -> None:
    told = Told()
    told.login()
    told.end()
    told.read_over("revoked")

    assert told.broken == [("served_wrongly", "s")]


def test_a_live_token_is_not_answered_as_nobody_s() -> None:
    told = Told()
    told.login()
    told.add("read", session="s", saw=Saw("none"))

    assert told.broken == [("served_wrongly", "s")]


def test_a_session_is_not_another_user_s() -> None:
    told = Told()
    told.login()
    told.read(user="bob")

    assert told.broken == [("served_wrongly", "s")]


# Lists


def test_a_list_without_a_live_session_lacks_one() -> None:
    told = Told()
    told.lists(("s", told.login()), ("t", told.login("t")))
    missing = told.login("u")
    told.lists(("s", "a:0"), ("t", "a:1"))

    assert told.broken == [("wrong_lists", missing)]


@pytest.mark.parametrize("outcome", [UNKNOWN, {"lasts": 5}])
def test_a_list_may_lack_a_session_whose_log_in_or_end_is_unknown_or_under_way(outcome: dict[str, Any]) -> None:
    told = Told()
    told.login()
    told.login("t", **outcome)
    told.end(**outcome)
    told.lists()

    assert told.broken == []


def test_a_list_has_nothing_that_is_over_whatever_a_cache_may() -> None:
    told = Told(staleness=60)
    login = told.login()
    told.end()
    told.lists(("s", login))

    assert told.broken == [("lost_logouts", "s")]


@pytest.mark.parametrize("case", ["refused", "another user's", "nobody's"])
def test_a_list_has_nothing_that_no_log_in_of_the_user_made(case: str) -> None:
    told = Told()
    if case == "refused":
        told.login(None, outcome="refused")
    elif case == "another user's":
        told.login("s", "bob")
    told.lists(("s", "a:0"))

    assert told.broken == [("wrong_lists", "s")]


def test_a_list_may_have_a_session_of_a_log_in_that_is_refused_only_later() -> None:
    """A failover undid it, and meanwhile there were too many."""
    told = Told()
    login = told.login(None, outcome="refused", lasts=1.5)
    told.lists(("s", login))
    assert told.broken == []

    told.lists(("s", login))
    assert told.broken == [("wrong_lists", "s")]


def test_a_log_in_of_unknown_outcome_made_one_session_or_none() -> None:
    told = Told()
    login = told.login(None, **UNKNOWN)
    told.lists(("s", login))
    told.lists(("s", login), ("t", login))

    assert told.broken == [("wrong_lists", login)]


def test_what_a_list_alone_tells_of_is_judged_too() -> None:
    told = Told()
    told.login("anonymous", None)
    value = told.write("anonymous")
    login = told.login(None, replaces="anonymous", **UNKNOWN)
    told.read_over("replaced", "anonymous")
    told.lists(("t", login))
    told.read(session="t")

    assert told.broken == [("lost_writes", value)]


def test_a_log_in_of_unknown_outcome_leaves_the_session_before_or_makes_the_one_after() -> None:
    told = Told()
    told.login("anonymous", None)
    login = told.login(None, replaces="anonymous", **UNKNOWN)
    told.read_over("replaced", "anonymous")
    told.lists()

    assert told.broken == [("wrong_lists", login)]


def test_a_log_in_of_unknown_outcome_that_left_the_session_before_made_none() -> None:
    told = Told()
    told.login("anonymous", None)
    told.login(None, replaces="anonymous", **UNKNOWN)
    told.read(session="anonymous", user=None)
    told.lists()

    assert told.broken == []


def test_what_was_in_the_session_before_comes_along() -> None:
    told = Told()
    told.login("anonymous", None)
    first = told.write("anonymous")
    told.count("anonymous")
    told.login("s", replaces="anonymous")
    second = told.write()
    told.read(first, second, count=1)
    told.read(second)

    assert [kind for kind, _ in told.broken] == ["lost_writes", "lost_writes", "went_back"]
    assert told.broken[0][1] == first


# The cap


def test_more_sessions_than_the_cap_are_too_many_though_nobody_was_told_of_one() -> None:
    told = Told()
    told.lists(("s", told.login(limit=2)), ("t", told.login("t", limit=2)), ("u", told.login(None, limit=2, **UNKNOWN)))

    assert told.broken == [("over_cap", "ada")]


def test_a_log_in_is_refused_at_the_cap_alone() -> None:
    told = Told()
    told.login(limit=2)
    refused = told.login(None, limit=2, outcome="refused", reason="limit")

    assert told.broken == [("over_cap", refused)]


@pytest.mark.parametrize("outcome", [{}, UNKNOWN, {"lasts": 5}])
def test_a_log_in_may_be_refused_for_one_that_is_there_or_may_be(outcome: dict[str, Any]) -> None:
    told = Told()
    told.login(limit=1, **outcome)
    told.login(None, limit=1, outcome="refused", reason="limit")

    assert told.broken == []


def test_a_log_in_may_be_refused_for_one_that_is_refused_only_later() -> None:
    told = Told()
    last = told.login(None, limit=1, outcome="refused", reason="limit", lasts=5)
    told.login(None, limit=1, outcome="refused", reason="limit")

    assert told.broken == [("over_cap", last)], "somebody must have come first"


def test_an_end_makes_room() -> None:
    told = Told()
    told.login(limit=1)
    told.end()
    refused = told.login(None, limit=1, outcome="refused", reason="limit")

    assert told.broken == [("over_cap", refused)]


def test_who_may_have_had_to_go_for_the_cap_may_be_over() -> None:
    told = Told()
    told.login(limit=1)
    told.login(None, limit=1, **UNKNOWN)
    told.read_over("limit")

    assert told.broken == []


# A kept history


def kept(path: Path, histories: Sequence[History]) -> Sequence[History]:
    with path.open("wb") as file:
        for history in histories:
            write_history(file, history)
    return read_histories(path)


def test_histories_are_read_as_they_were_kept(tmp_path: Path) -> None:
    told = Told(staleness=1.5)
    login = told.login(limit=3, ended=("t",))
    told.read(told.write(**UNKNOWN), count=2)
    told.lists(("s", login))
    first = History(Heading(race="kill", staleness=1.5, faults=(Fault(0.5, "process 1 is killed"),)), told.operations)
    second = History(Heading(race="pause", staleness=0), [replace(told.operations[0], process=3)])

    assert kept(tmp_path / "history", [first, second]) == [first, second]


HEADING = b'{"history":1,"race":"kill","staleness":0}\n'


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is empty"),
        (b"hello\n", "line 1: "),
        (b'{"client":"a"}\n', "line 1: "),
        (b'{"history":2,"race":"kill","staleness":0}\n', "line 1: "),
        (HEADING + b'{"client":"a"', "line 2: "),
        (HEADING + b'{"client":"a"}\n', "line 2: "),
        (HEADING * 2 + b"\xff\n", "line 3: "),
    ],
)
def test_what_is_no_history_is_refused_with_its_line(content: bytes, told: str, tmp_path: Path) -> None:
    path = tmp_path / "history"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=told):
        read_histories(path)


def test_every_kind_of_violation_is_found_in_a_history_here() -> None:
    page = Path(__file__).read_text("utf-8")

    assert [kind for kind in BROKEN if f'("{kind}", ' not in page] == []
