"""Outcome: what the store's answer to a commit means, by one total function, and what then becomes of the session.

decide_outcome is pure. What follows from it, reply and events, is worked out on the session, which goes on after its
commit: carry_on changes it. No I/O.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from msgspec.structs import replace

from . import changes
from .commit import NO_REPLY, Plan, Reply
from .errors import EndReason, ReauthenticationRequired, SessionConflict, SessionEnded, SojournError, StoreUnavailable
from .events import Ended, Event, KeyRegistered, LoggedIn, Merged, Rotated, SessionCreated
from .policy import Policy
from .record import Record
from .session import Session
from .step_up import GRANT
from .store import Applied, Commit, Create, End, Refused
from .token import Random, Token

__all__ = [
    "NOTHING_WRITTEN",
    "POSTPONED",
    "Answer",
    "Backoff",
    "Outcome",
    "Postponed",
    "Settled",
    "as_written",
    "become",
    "carry_on",
    "catch_up",
    "decide_outcome",
    "end",
    "go_on_alone",
    "rebase",
    "refuse",
]

# Between trials of a commit that others overtake, in seconds; measured: benchmarks/README.md, contention.
LEAST_PAUSE, LONGEST_PAUSE = 0.008, 0.5
PATIENT_TRIALS = 12


class Postponed:
    """The write was not made, and a later request will ask for it again."""

    __slots__ = ()


POSTPONED = Postponed()

Answer = Applied | Refused | Record | Postponed | None
"""What a store says of a write: of an End the record that it ended, if it did. Postponed: it takes none just now."""

Outcome = Literal["left", "created", "committed", "postponed", "overtaken", "alone", "too_late", "over"]
"""What a commit came to.

`left`: there was nothing to write but, at most, the end that a log-in or log-out makes. `created`, `committed`: it is
written. `postponed`: it was activity or a new secret alone, and a later request writes it.
`overtaken`: another request wrote to the live session first: merge, and try again.
`alone`: the session that a log-in or log-out was to end is over already: go on without it, and try again.
`too_late`: the session ended, and changes with it: SessionEnded.
`over`: the session ended, and nothing is lost: only activity or a new secret was to be written.
"""


class Settled(NamedTuple):
    """A commit that is done: what to tell the browser, and what to tell of.

    `is_whole`: nobody else wrote to the session between its load and this write, so that all of it is known.
    """

    reply: Reply
    events: Sequence[Event] = ()
    is_whole: bool = False


NOTHING_WRITTEN = Settled(NO_REPLY)


class Backoff:
    """Pauses between the trials of one commit that others overtake, so that they come one after the other."""

    __slots__ = ("_refusals", "_since")

    def __init__(self, now: float) -> None:
        self._refusals, self._since = 0, now

    def pause(self, now: float, random: Random) -> float:
        """How long to wait, in seconds, after a refusal at `now`, by time.monotonic().

        Every second time not at all, as what was just told is newest now. Else up to some time, drawn anew: it grows
        with what the trials take, for that tells how many others there are, and doubles from one to the next. Who was
        refused very often waits no more: those who come new do not, and would overtake it for as long as they come.
        """
        self._refusals += 1
        if self._refusals % 2 or self._refusals > PATIENT_TRIALS:
            return 0.0
        longest = max(4 * (now - self._since), LEAST_PAUSE) * 2.0 ** (self._refusals // 2 - 1)
        pause = min(longest, LONGEST_PAUSE) * int.from_bytes(random(2)) / 65536
        self._since = now + pause
        return pause


def decide_outcome(write: Create | Commit | End | None, answer: Answer, regenerates: bool, now: int) -> Outcome:
    """What a write that got this answer came to. `regenerates`: the create only renews the session's own id."""
    if isinstance(answer, Postponed):
        return "postponed"
    if not isinstance(answer, Refused):
        return "created" if isinstance(write, Create) else "committed" if isinstance(write, Commit) else "left"
    # A refusal is of a write to a session, and says what that session is now. While it lives, whatever was wanted can
    # still be had on top of it. That comes first: nobody is told of an end that is not.
    if answer.record is not None and answer.record.end_reason_at(now) is None:
        return "overtaken"
    # Who logs in has proved who they are, and who logs out got what they want: neither needs the session before. To
    # regenerate is to keep that session, so it fails with it.
    if isinstance(write, Create):
        return "too_late" if regenerates else "alone"
    assert isinstance(write, Commit)
    return "too_late" if write.changes or write.increments else "over"


def carry_on(session: Session, plan: Plan, answer: Answer, policy: Policy, now: int) -> Settled | None:
    """Make of the session what the store's answer says; None where to plan again, on newer data.

    Raises SessionEnded where changes came too late, SessionConflict where the policy forbids to choose.
    """
    write, outcome = plan.write, decide_outcome(plan.write, answer, session._regenerate, now)
    if outcome == "left":
        return _left(session, answer is not None, now)
    if outcome == "postponed":
        return NOTHING_WRITTEN
    if isinstance(answer, Applied):
        if isinstance(write, Create):
            return _created(session, write, plan.token, answer, now)
        assert isinstance(write, Commit)
        return _committed(session, write, plan.token, answer, now)
    assert isinstance(answer, Refused)
    newer = answer.record
    reason = newer.end_reason_at(now) if newer else None
    if outcome == "overtaken":
        assert newer is not None
        catch_up(session, newer, policy)
        return None
    if outcome == "alone":
        go_on_alone(session, reason)
        return None
    end(session, reason)
    if outcome == "too_late":
        raise SessionEnded(reason)
    return NOTHING_WRITTEN


def _left(session: Session, ended: bool, now: int) -> Settled:
    left = session._leaving
    reply = Reply(clear=True) if session._logged_out and session._presented else NO_REPLY
    session._token = None
    end(session, "logout" if left else session._end_reason)
    return Settled(reply, [_ended(left, "logout", now)] if left is not None and ended else [])


def _created(session: Session, write: Create, token: Token | None, answer: Applied, now: int) -> Settled:
    assert token is not None
    record, login, before = write.record, session._login, session._leaving or session._live
    events: list[Event] = []
    if write.ends is not None and before is not None:
        events.append(_ended(before, write.ends.reason, now))
    events += [Ended(at=now, id=id, user_id=record.user_id, reason="limit") for id in answer.ended]
    events.append(SessionCreated(at=now, id=record.id, user_id=record.user_id, bound=record.bound))
    if login is not None:
        told = LoggedIn(at=now, id=record.id, user_id=record.user_id, level=record.level, methods=record.methods)
        events.append(replace(told, replaced=write.ends.id) if write.ends else told)
    become(session, record, token, record.data, session._counters)
    return Settled(_reply(record, token, now), events)


def _committed(session: Session, write: Commit, token: Token | None, answer: Applied, now: int) -> Settled:
    live = session._live
    assert live is not None
    events: list[Event] = []
    if session._merged:
        keys, lost = tuple(session._merged), _conflicts(session)
        events.append(Merged(at=now, id=live.id, user_id=live.user_id, keys=keys, conflicts=lost))
    if write.secrets is not None and write.secrets[0].current != write.secrets[1].current:
        events.append(Rotated(at=now, id=live.id, user_id=live.user_id))
    if write.secrets is not None and write.secrets[0].key != write.secrets[1].key:
        events.append(KeyRegistered(at=now, id=live.id, user_id=live.user_id))
    # If others wrote since the load, the old number stays: nothing may later be carried from the stale view.
    mine = live.version + bool(write.changes or write.increments)
    version = mine if answer.version == mine else live.version
    record = replace(
        live,
        version=version,
        seen_at=write.seen_at or live.seen_at,
        secrets=write.secrets[1] if write.secrets else live.secrets,
    )
    data = changes.committed(session._base, write.changes, write.increments)
    become(session, record, session._token, data, write.increments)
    return Settled(_reply(record, token, now), events, answer.version == mine)


def become(
    session: Session, record: Record, token: Token | None, data: Mapping[str, bytes], added: Mapping[str, int]
) -> None:
    """A commit wrote `record`: this is the session from here on, and `token` opens it.

    `data` is what it then held, as this request sees it, and `added` the increments that were written. What was set
    while the commit was under way is still to be written.
    """
    session._base = data
    if session._counters:
        left = {key: by - added.get(key, 0) for key, by in session._counters.items()}
        session._counters = {key: by for key, by in left.items() if by}
    session._record, session._token = record, token
    session._end_reason = session._leaving = None
    session._forget_wishes()
    session._merged = {}


def end(session: Session, reason: EndReason | None) -> None:
    """The session is over, and what this request changed with it."""
    session._record = session._leaving or session._record if reason else None
    session._end_reason, session._leaving = reason, None
    session._forget_wishes()
    session._told = None
    session._replace_data({})


def refuse(session: Session, error: SojournError) -> None:
    """A commit raised `error`: what it was to write is not tried again, unless the store merely did not answer.

    A log-out is: it can only be wanted.
    """
    if isinstance(error, StoreUnavailable):
        return
    logged_out = session._logged_out
    session._told = None
    if isinstance(error, SessionEnded) and session._end_reason is None:
        end(session, error.reason)  # an end of all came in between
    session._forget_wishes()
    session._logged_out, session._merged = logged_out, {}
    session._replace_data(session._base)


def catch_up(session: Session, record: Record, policy: Policy) -> None:
    """Put this request's changes on a record. Raises SessionConflict where the policy forbids to choose."""
    conflicts = rebase(session, record)
    if conflicts and policy.on_conflict == "raise":
        raise SessionConflict(conflicts)


def as_written(session: Session, settled: Settled) -> Record | None:
    """What a store held of a session after its commit; None where that is not known for sure."""
    return replace(session._live, data=session._base) if settled.is_whole and session._live is not None else None


def rebase(session: Session, record: Record) -> tuple[str, ...]:
    """Put this request's changes on top of a newer record; the keys in which another's change was lost, so far."""
    data = session._login.kept(record.data) if session._login else record.data
    for key in session._used:
        if key not in data:
            # Another request used it first: only one of two who hold a grant may act on it.
            raise ReauthenticationRequired(action=key.removeprefix(GRANT))
    found = changes.rebased(session._base, session._values, session._counters, data)
    session._record, session._base = record, data
    session._values, session._counters = found.values, found.counters
    session._merged = session._merged | dict.fromkeys(found.merged, False) | dict.fromkeys(found.conflicts, True)
    return _conflicts(session)


def _conflicts(session: Session) -> tuple[str, ...]:
    return tuple(key for key, lost in session._merged.items() if lost)


def go_on_alone(session: Session, reason: EndReason | None) -> None:
    """The session that a log-in or log-out would have ended is over already: keep what may go on without it.

    A double log-in (`replaced`) still takes the data along; after any other end only what this request set.
    """
    carry = session._encoded()
    if reason != "replaced":
        carry = {key: carry[key] for key, change in session._changes().items() if change.value is not None}
        carry |= {key: b"%d" % by for key, by in session._increments().items()}
    session._record = session._leaving = None
    session._replace_data(carry)


def _reply(record: Record, token: Token | None, now: int) -> Reply:
    max_age = (record.absolute_expires_at - now) // 1000 if record.remember else None
    return Reply(token, max_age=max_age) if token else NO_REPLY


def _ended(record: Record, reason: EndReason, now: int) -> Event:
    return Ended(at=now, id=record.id, user_id=record.user_id, reason=reason)
