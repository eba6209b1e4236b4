"""Known: what a history tells of each session and each user, put in order for the judgement. Pure."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

from .history import Operation, Saw

__all__ = ["Known", "KnownCounts", "KnownEnd"]


class KnownEnd(NamedTuple):
    """Something that ended a session, or may have. `completed` is infinite where nobody was told that it did."""

    invoked: float
    completed: float
    reason: str


class KnownCounts(NamedTuple):
    """When each count was asked for, when each acknowledged one was answered, in order; and how many stay unknown."""

    invoked: Sequence[float]
    completed: Sequence[float]
    unknown: int


class Known:
    """Sessions go by their id; by the log-in that made them where nobody was told the id."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        self.reads: defaultdict[str, list[Operation]] = defaultdict(list)
        # All that only a live session can have done to it: writes, counts, and log-ins in its place.
        self.changes: defaultdict[str, list[Operation]] = defaultdict(list)
        self.lists: defaultdict[str, list[Operation]] = defaultdict(list)
        self.logins: dict[str, Operation] = {}
        self.login_of: dict[str, Operation] = {}
        self.refused_for_cap: list[Operation] = []
        self._logins_by: defaultdict[str, list[Operation]] = defaultdict(list)
        self._ends_of: defaultdict[str, list[Operation]] = defaultdict(list)
        self._ends_by: defaultdict[str, list[Operation]] = defaultdict(list)
        self._limited: dict[str, Operation] = {}
        self._endings: dict[str, Sequence[KnownEnd]] = {}
        self._writes: dict[str, Mapping[str, Operation]] = {}
        self._counts: dict[str, KnownCounts] = {}
        for operation in sorted(operations, key=lambda each: each.invoked):
            self._note(operation)
        for lists in self.lists.values():
            for listed in (listed for one in lists for listed in one.listed):
                if listed.name in self.logins:
                    self.login_of.setdefault(listed.id, self.logins[listed.name])

    def _note(self, one: Operation) -> None:
        session, user = one.session or "", one.user or ""
        if one.kind == "read" and one.outcome == "ok":
            self.reads[session].append(one)
        elif one.kind in ("write", "count"):
            self.changes[session].append(one)
        elif one.kind == "list" and one.outcome == "ok":
            self.lists[user].append(one)
        elif one.kind == "end" and one.outcome != "refused":
            (self._ends_of[session] if one.session else self._ends_by[user]).append(one)
        elif one.kind == "login":
            self._note_login(one)

    def _note_login(self, one: Operation) -> None:
        self.logins[one.name] = one
        if one.user is not None:
            self._logins_by[one.user].append(one)
        if one.outcome == "ok" and one.session:
            self.login_of[one.session] = one
        if one.outcome == "refused":
            if one.reason == "limit":
                self.refused_for_cap.append(one)
            return
        self._limited.update(dict.fromkeys(one.ended, one))
        if one.replaces is not None:
            self.changes[one.replaces].append(one)
            self._ends_of[one.replaces].append(one)

    def logins_by(self, user: str) -> Sequence[Operation]:
        """The user's log-ins, those that came to nothing too."""
        return self._logins_by[user]

    # What is in a session

    def writes_to(self, session: str) -> Mapping[str, Operation]:
        """By their names, the writes to a session and to those in whose place it came."""
        if session not in self._writes:
            self._writes[session] = {
                change.name: change
                for id in self._line(session)
                for change in self.changes.get(id, ())
                if change.kind == "write"
            }
        return self._writes[session]

    def counts_of(self, session: str) -> KnownCounts:
        """The same for counts, without those that were refused."""
        if session not in self._counts:
            counts = [
                change
                for id in self._line(session)
                for change in self.changes.get(id, ())
                if change.kind == "count" and change.outcome != "refused"
            ]
            told = sorted(_told_at(count) for count in counts if count.outcome == "ok")
            invoked = sorted(count.invoked for count in counts)
            self._counts[session] = KnownCounts(invoked, told, len(counts) - len(told))
        return self._counts[session]

    def _line(self, session: str) -> Iterator[str]:
        """The session, the one in whose place it came, and so on."""
        id: str | None = session
        while id is not None:
            yield id
            login = self.login_of.get(id)
            id = login.replaces if login else None

    # The ends of a session

    def over_at(self, session: str) -> float:
        """When the first end of a session was acknowledged; infinite if none was."""
        login = self.login_of.get(session)
        endings = self.endings_by(login) if login else ()
        return min((ending.completed for ending in endings), default=math.inf)

    def endings_by(self, login: Operation) -> Sequence[KnownEnd]:
        """Whatever ended the session that `login` made, or may have."""
        if login.name not in self._endings:
            self._endings[login.name] = list(self._all_endings(login))
        return self._endings[login.name]

    def _all_endings(self, login: Operation) -> Iterator[KnownEnd]:
        for id in self._ids_of(login):
            for end in self._ends_of.get(id, ()):
                yield KnownEnd(end.invoked, _told_at(end), "replaced" if end.kind == "login" else str(end.reason))
            if id in self._limited:
                yield KnownEnd(self._limited[id].invoked, _told_at(self._limited[id]), "limit")
        made_at = _told_at(login)
        for end in self._ends_by.get(login.user or "", ()):
            # Of one that was not made yet, as far as anybody knows, it need not be the end.
            yield KnownEnd(end.invoked, _told_at(end) if made_at < end.invoked else math.inf, str(end.reason))
        if login.limit is not None:
            for other in self._logins_by[login.user or ""]:
                if other is not login and other.outcome != "refused":
                    yield KnownEnd(max(other.invoked, login.invoked), math.inf, "limit")

    @cached_property
    def _ids(self) -> Mapping[str, Sequence[str]]:
        ids: defaultdict[str, list[str]] = defaultdict(list)
        for id, login in self.login_of.items():
            ids[login.name].append(id)
        return ids

    def _ids_of(self, login: Operation) -> Sequence[str]:
        return self._ids.get(login.name, ())

    def may_be_over(self, session: str, saw: Saw, read: Operation) -> bool:
        """Whether somebody had asked, when the read was answered, for the end that it saw."""
        return any(
            ending.invoked <= _told_at(read) and saw.reason in (None, ending.reason)
            for ending in self.endings_by(self.login_of[session])
        )

    def is_surely_over(self, session: str, read: Operation) -> bool:
        """Whether the end that a read saw had been acknowledged when it was asked. One that was under way may be
        undone, by a failover, and made again.
        """
        saw, login = read.saw, self.login_of.get(session)
        return (
            saw is not None
            and login is not None
            and any(
                ending.completed < read.invoked and ending.reason == saw.reason for ending in self.endings_by(login)
            )
        )

    def made_at(self, login: Operation) -> float:
        """By when the session of a log-in was certainly there; infinite if it need not be."""
        if login.outcome == "ok":
            return _told_at(login)
        if login.outcome == "refused" or login.replaces is None:
            return math.inf
        # Nobody was told, but the session before is over, and nothing else can have ended it so: it is all or nothing.
        last = next((read for read in reversed(self.reads.get(login.replaces, [])) if read.saw), None)
        takers = [end for end in self._ends_of[login.replaces] if end.kind == "login"]
        if last is None or last.saw is None or last.saw.reason != "replaced" or len(takers) > 1:
            return math.inf
        return _told_at(last)


def _told_at(operation: Operation) -> float:
    known = operation.outcome == "ok" and operation.completed is not None
    return (operation.completed or 0.0) if known else math.inf
