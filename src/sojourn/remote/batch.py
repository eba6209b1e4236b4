"""Calls that go to the service together: what is sent of them, and which answer is to which. No I/O."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from sojourn.core.errors import StoreUnavailable
from sojourn.core.problem import Problem
from sojourn.wire.batches import MAX_CALLS, BatchedAnswer
from sojourn.wire.http import BATCH, COMMIT, LINES, OPEN
from sojourn.wire.problems import NOT_FOUND

from .service_call import ServiceAnswer, ServiceCall

__all__ = ["PATIENCE", "BatchAnswers", "call_batch", "goes_together", "how_many", "is_unknown"]

PATIENCE: Final = 0.01
"""How long, in seconds, a batch that has no answer yet holds up those that come behind it."""

_NAMES = {OPEN: b"open", COMMIT: b"commit"}
# A larger one goes alone, so that a batch stays within what a service takes.
_LARGE = 64 * 1024
_MAX_BYTES = 512 * 1024

_decode = msgspec.json.Decoder(BatchedAnswer).decode


def goes_together(call: ServiceCall) -> bool:
    """Whether a call may go with others."""
    return call.path in _NAMES and len(call.body) <= _LARGE


def how_many(calls: Sequence[ServiceCall], most: int) -> int:
    """How many of these, which wait in this order, the next batch takes; the service takes `most`."""
    size = 0
    for count, call in enumerate(calls[: min(most, MAX_CALLS)]):
        size += len(call.body)
        if size > _MAX_BYTES:
            return count
    return min(len(calls), most, MAX_CALLS)


def call_batch(calls: Sequence[ServiceCall]) -> ServiceCall:
    """One request for all of these. It is not repeated: there may be commits in it."""
    body = b"".join([b'{"%b":%b}\n' % (_NAMES[call.path], call.body) for call in calls])
    return ServiceCall("POST", BATCH, body, repeatable=False, kind=LINES)


class BatchAnswers:
    """The answers to a batch, from the pieces that come of its body."""

    def __init__(self, calls: int) -> None:
        self._calls = calls
        self._rest = b""

    def read(self, data: bytes) -> Iterator[tuple[int, ServiceAnswer]]:
        """Those that are whole now, each with the place of its call. Raises StoreUnavailable for what is none."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            try:
                told = _decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError):
                raise _strange() from None
            if not 0 <= told.call < self._calls:
                raise _strange()
            yield told.call, ServiceAnswer(told.status, bytes(told.answer))


def _strange() -> StoreUnavailable:
    return StoreUnavailable("What answers a batch is no session service.")


def is_unknown(answer: ServiceAnswer) -> bool:
    """Whether the service knows no batches, so that nothing of this one was done."""
    problem = Problem.read(*answer)
    return problem is not None and problem.code == NOT_FOUND.code
