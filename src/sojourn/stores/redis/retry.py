"""Retry: which calls are sent again, where and when, after a refusal, a moved slot or a lost connection. No I/O.

What was surely not made is sent again, and so is what may be made twice; the rest is StoreUnavailable, which says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from redis import exceptions

from sojourn.core.errors import ConfigurationError, StoreUnavailable

from .calls import Address, Call
from .errors import code_of, explained, is_refusal, may_pass
from .topology import Topology

__all__ = ["QUESTION_SHARE", "AnswerLost", "InDoubt", "NotMade", "NotReplicated", "NotSent", "PendingCalls", "limit_of"]

FIRST_PAUSE, LONGEST_PAUSE = 0.01, 0.25
LEAST = 0.001
# The part of the timeout in which a node must say where the keys are: others may be asked instead.
QUESTION_SHARE = 4

_ASKING = b"*1\r\n$6\r\nASKING\r\n"


class NotSent(Exception):
    """No connection: the call did not leave."""


class AnswerLost(Exception):
    """The connection broke, or stayed silent for too long, after the call was sent."""


class NotMade(StoreUnavailable):
    """No write of the calls was made, for sure: they never left, or were refused."""


class InDoubt(StoreUnavailable):
    """The connection broke over a write that must not be sent again as it is: it may be made, or not."""


class NotReplicated(Exception):
    """The write was made, and fewer replicas than asked for said in time that they have it."""


class PendingCalls:
    """`calls`, their answers so far, and what to do next, until the time `give_up` of time.monotonic().

    `pause` is how many seconds to wait before the next round; `needs_discovery`: learn the topology anew then.
    """

    def __init__(self, calls: Sequence[Call], topology: Topology, give_up: float, timeout: float) -> None:
        self.answers: list[Any] = [None] * len(calls)
        self.needs_discovery = False
        self.pause = 0.0
        self._calls = calls
        self._topology = topology
        self._give_up = give_up
        self._timeout = timeout
        self._todo = dict.fromkeys(range(len(calls)))
        self._whole: set[int] = set()
        self._asking: dict[int, Address] = {}
        self._last: BaseException | None = None
        self._cut_off = self._later = False
        self._refused_once: set[int] = set()

    @property
    def done(self) -> bool:
        """Whether every call is answered."""
        return not self._todo

    def batches(self) -> dict[Address, list[int]]:
        """For each node the calls that it is to be sent. Those whose node is not known wait for the discovery."""
        batches: dict[Address, list[int]] = {}
        for index in self._todo:
            call = self._calls[index]
            address = self._asking.get(index) or call.node or self._topology.address(call.key)
            if address is None:
                self.needs_discovery = True
            else:
                batches.setdefault(address, []).append(index)
        return batches

    def packed(self, index: int) -> tuple[bytes, int, bool]:
        """What to send for a call, how many answers come before its own, and whether replicas must have it."""
        call = self._calls[index]
        packed = call.whole() if index in self._whole else call.packed
        return (_ASKING + packed, 1, call.durable) if index in self._asking else (packed, 0, call.durable)

    def take(self, indexes: Sequence[int], replies: Sequence[Any]) -> None:
        """What came back for a batch, an exception where that was no answer. Raises StoreUnavailable to give up,
        and ConfigurationError for a server that must not be used.
        """
        for index, reply in zip(indexes, replies, strict=True):
            if isinstance(reply, ConfigurationError):
                raise reply
            if isinstance(reply, Exception):
                self._asking.pop(index, None)
                self._last = reply
                self._judge(index, reply)
            else:
                self.answers[index] = reply
                del self._todo[index]

    def limit(self, now: float) -> float | None:
        """As limit_of."""
        return limit_of(self._give_up - now, self._timeout)

    def next_round(self, now: float) -> None:
        """Judge whether to go on. Raises StoreUnavailable when the time is up."""
        self.pause = min(max(self.pause * 2, FIRST_PAUSE), LONGEST_PAUSE) if self._later else 0.0
        self.needs_discovery, self._later = self.needs_discovery or self._later, False
        if self.done and self._calls:
            return
        if now + self.pause >= self._give_up:
            kind = StoreUnavailable if self._cut_off else NotMade
            written = "the write may be made, or not" if self._cut_off else "nothing was written"
            cause = self._last.__cause__ if isinstance(self._last, NotSent) else self._last
            raise kind(f"Redis did not answer within {self._timeout:g} s; {written}{_why(self._last)}.") from cause

    def discovery_failed(self, error: StoreUnavailable) -> None:
        """The topology could not be learned: the next round waits, and says why when the time is up."""
        self._later, self._last = True, error

    def _judge(self, index: int, reply: Exception) -> None:
        call = self._calls[index]
        if isinstance(reply, (NotSent, AnswerLost, NotReplicated)):
            self._topology.doubt()
        match reply:
            case NotSent():
                self._later = True
            case AnswerLost() if call.repeatable:
                self._cut_off, self._later = self._cut_off or call.durable, True
            case AnswerLost():
                raise InDoubt("Redis was cut off at work: the write may be made, or not.") from reply.__cause__
            case NotReplicated():
                raise StoreUnavailable(f"Redis made the write, but {reply}. A failover may undo it.") from None
            case exceptions.NoScriptError():
                self._whole.add(index)
            case exceptions.MovedError():  # redis-py's AskError too
                self._topology.moved(reply.slot_id, (reply.host, reply.port))
                self.needs_discovery = True
            case exceptions.AskError():
                self._asking[index] = (reply.host, reply.port)
            case _:
                if may_pass(reply) and (call.patient or index not in self._refused_once):
                    self._later = True
                    self._refused_once.add(index)
                else:
                    kind = StoreUnavailable if self._cut_off else NotMade
                    raise kind(f"Redis refused ({code_of(reply)}): {explained(reply)}.") from reply


def _why(last: BaseException | None) -> str:
    if isinstance(last, (NotSent, AnswerLost)):
        last = last.__cause__
    if last is None:
        return ""
    return f": {explained(last) if isinstance(last, Exception) and is_refusal(last) else last}".rstrip(".")


def limit_of(left: float, timeout: float) -> float | None:
    """The seconds that a trip may take; None where nearly all of the timeout is left, which holds by itself."""
    return max(left, LEAST) if left < 0.9 * timeout else None
