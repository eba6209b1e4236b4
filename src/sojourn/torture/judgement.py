"""Judgement: what in a history breaks a store's promises. Pure: it asks no store and looks at no clock.

An outcome that nobody was told excuses whatever it explains, and so does one that nobody was told yet: what is under
way may be seen, and be undone by a failover. Every bound is the order in which things were asked and answered, never
how long they took.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from .history import History, Listed, Operation, Saw
from .known import Known

__all__ = ["BROKEN", "Violation", "judge"]

BROKEN = {
    "lost_writes": "acknowledged, and not there",
    "doubled_writes": "there twice, or more than was asked for",
    "invented": "there, and nobody asked for it, or it was refused",
    "out_of_order": "there without what the same client had written before it, or before that",
    "went_back": "less than the same process had seen before",
    "lost_logouts": "served, changed or listed after an acknowledged end",
    "served_wrongly": "a live token that was answered as nobody's, or as another one's",
    "wrong_lists": "a session that a user's list lacks, has twice, or has of somebody else",
    "over_cap": "more sessions than the cap, or a log-in refused below it",
}


class Violation(NamedTuple):
    """A promise that was broken: a key of BROKEN, what it was broken to (a write, a session), and how."""

    kind: str
    subject: str
    told: str


def judge(history: History) -> Sequence[Violation]:
    """What breaks a promise, each thing once, in the order in which it was found."""
    known, staleness = Known(history.operations), history.heading.staleness
    found: dict[tuple[str, str], Violation] = {}
    for violation in _violations(known, staleness):
        found.setdefault((violation.kind, violation.subject), violation)
    return list(found.values())


def _violations(known: Known, staleness: float) -> Iterator[Violation]:
    for session, reads in known.reads.items():
        for read in reads:
            yield from _judge_read(known, session, read, staleness)
        yield from _judge_order_of_reads(known, session, reads)
    for session, changes in known.changes.items():
        over = known.over_at(session)
        for each in changes:
            if each.outcome == "ok" and each.invoked > over:
                yield Violation("lost_logouts", session, f"{each.kind} {each.name} was acknowledged after its end")
    for user, lists in known.lists.items():
        for one in lists:
            yield from _judge_list(known, user, one)
    for one in known.refused_for_cap:
        yield from _judge_refusal(known, one)


# Reads


def _judge_read(known: Known, session: str, read: Operation, staleness: float) -> Iterator[Violation]:
    saw, login = read.saw, known.login_of.get(session)
    if saw is None or login is None:
        return
    if saw.status != "active":
        if known.may_be_over(session, saw, read):
            return
        yield Violation("served_wrongly", session, f"{read.name} was told {_answer(saw)}, and nobody had ended it")
    elif read.invoked > known.over_at(session) + staleness:
        yield Violation("lost_logouts", session, f"{read.name} found it live after its end was acknowledged")
        return
    elif saw.user != login.user:
        yield Violation("served_wrongly", session, f"{read.name} found it another user's")
    yield from _judge_values(known, session, read, saw, staleness)
    yield from _judge_count(known, session, read, saw, staleness)


def _judge_values(known: Known, session: str, read: Operation, saw: Saw, staleness: float) -> Iterator[Violation]:
    writes = known.writes_to(session)
    seen: dict[str, list[int]] = {}
    for value, times in Counter(saw.values).items():
        write = writes.get(value)
        if times > 1:
            yield Violation("doubled_writes", value, f"{read.name} found it {times} times in {session}")
        if write is None or write.outcome == "refused" or write.invoked > _end_of(read):
            why = "it was refused" if write and write.outcome == "refused" else "nobody wrote it there"
            yield Violation("invented", value, f"{read.name} found it in {session}: {why}")
        else:
            seen.setdefault(write.client, []).append(write.number)
    for client, numbers in seen.items():
        if numbers != sorted(numbers):
            yield Violation("out_of_order", f"{client} in {session}", f"{read.name} found {numbers}")
    values = set(saw.values)
    for write in writes.values():
        if write.outcome != "ok" or write.name in values:
            continue
        # Who has written it sees it at once, whatever a cache may.
        if _end_of(write) < read.invoked - (staleness if write.process != read.process else 0):
            yield Violation("lost_writes", write.name, f"{read.name} did not find it in {session}")
        elif write.number < max(seen.get(write.client, [-1])):
            yield Violation("out_of_order", write.name, f"{read.name} found a later one of its client in {session}")


def _judge_count(known: Known, session: str, read: Operation, saw: Saw, staleness: float) -> Iterator[Violation]:
    counts = known.counts_of(session)
    least = bisect_left(counts.completed, read.invoked - staleness)
    most = bisect_right(counts.invoked, _end_of(read))
    if saw.count < least:
        yield Violation("lost_writes", f"count of {session}", f"{read.name} found {saw.count}, {least} were told done")
    if saw.count > most:
        yield Violation("doubled_writes", f"count of {session}", f"{read.name} found {saw.count}, {most} were asked")


def _judge_order_of_reads(known: Known, session: str, reads: Sequence[Operation]) -> Iterator[Violation]:
    """What a process has seen it goes on seeing. What nobody was told is not counted: a failover may undo it."""
    lasting = {name for name, write in known.writes_to(session).items() if write.outcome == "ok"}
    unknown = known.counts_of(session).unknown
    for process in {read.process for read in reads}:
        mine = [read for read in reads if read.process == process and read.saw]
        answered = sorted(mine, key=_end_of)
        seen: set[str] = set()
        count, over, done = 0, False, 0
        for read in mine:
            while done < len(answered) and _end_of(answered[done]) < read.invoked:
                before = answered[done].saw
                assert before is not None
                seen |= lasting.intersection(before.values)
                count = max(count, before.count - unknown)
                over = over or (before.status == "ended" and known.is_surely_over(session, answered[done]))
                done += 1
            saw = read.saw
            if saw is None or saw.status != "active":
                continue
            if over:
                yield Violation("went_back", session, f"{read.name} found it live, and the process had seen it ended")
            if missing := seen.difference(saw.values):
                yield Violation(
                    "went_back", session, f"{read.name} did not find {', '.join(sorted(missing)[:3])} again"
                )
            if saw.count < count:
                yield Violation("went_back", session, f"{read.name} counted {saw.count} after {count}")


# Lists


def _judge_list(known: Known, user: str, one: Operation) -> Iterator[Violation]:
    names = Counter(listed.name for listed in one.listed)
    limits = {login.limit for login in known.logins_by(user) if login.limit is not None}
    if limits and len(one.listed) > max(limits):
        yield Violation("over_cap", user, f"{one.name} listed {len(one.listed)}, where {max(limits)} are allowed")
    for name, times in names.items():
        if times > 1:
            yield Violation("wrong_lists", name, f"{one.name} listed {times} sessions of one log-in")
    for listed in one.listed:
        yield from _judge_listed(known, user, one, listed)
    for login in known.logins_by(user):
        if login.name in names or known.made_at(login) >= one.invoked:
            continue
        if not any(ending.invoked <= _end_of(one) for ending in known.endings_by(login)):
            yield Violation("wrong_lists", login.name, f"{one.name} did not list the session of this log-in")


def _judge_listed(known: Known, user: str, one: Operation, listed: Listed) -> Iterator[Violation]:
    login = known.logins.get(listed.name)
    if login is None or login.user != user or login.invoked > _end_of(one):
        yield Violation("wrong_lists", listed.id, f"{one.name} listed it: no log-in of the user's made it")
    elif login.outcome == "refused" and _end_of(login) < one.invoked:
        yield Violation("wrong_lists", listed.id, f"{one.name} listed it: its log-in was refused")
    elif min((ending.completed for ending in known.endings_by(login)), default=math.inf) < one.invoked:
        yield Violation("lost_logouts", listed.id, f"{one.name} listed it after its end was acknowledged")


def _judge_refusal(known: Known, refused: Operation) -> Iterator[Violation]:
    """For each session that may have been live meanwhile, the cap may have been reached: that of a log-in too which
    was still under way, and refused in the end.
    """
    live = 0
    for login in known.logins_by(refused.user or ""):
        made = login.outcome != "refused" or _end_of(login) > _end_of(refused)
        if made and login.invoked <= _end_of(refused):
            over = min((ending.completed for ending in known.endings_by(login)), default=math.inf)
            live += over >= refused.invoked
    if refused.limit is not None and live < refused.limit:
        yield Violation("over_cap", refused.name, f"refused with {live} sessions, where {refused.limit} are allowed")


def _end_of(operation: Operation) -> float:
    return math.inf if operation.completed is None else operation.completed


def _answer(saw: Saw) -> str:
    return f"that it is over ({saw.reason})" if saw.status == "ended" else "that there is no such session"
