"""Batch: calls put together for one trip to a server, and their answers apart again. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from sojourn.core.errors import ConfigurationError

from .calls import pack
from .errors import is_refusal
from .retry import AnswerLost, NotReplicated, NotSent

__all__ = ["BUSY", "MAX_CONNECTIONS", "Batch", "Packed"]

Packed = tuple[bytes, int, bool]
"""What to send, how many answers come before the one that counts, and whether replicas must have it."""

# Of one process to one server; of each event loop, beside the one that calls share. More calls wait.
MAX_CONNECTIONS = 32
BUSY = TimeoutError("every connection is in use")
REPLICA_WAIT = 1000  # ms


class Batch:
    """Calls put together for one trip, and the answers failure apart again.

    `give_up` is when the trip is over, in seconds of time.monotonic().
    """

    def __init__(self, calls: Sequence[Packed], min_replicas: int, give_up: float) -> None:
        self.calls = calls
        self.give_up = give_up
        self.waits = min_replicas > 0 and any([durable for _, _, durable in calls])
        self._min_replicas = min_replicas

    def packed(self) -> tuple[bytes, int]:
        """What to send, and how many answers there will be."""
        calls = self.calls
        if len(calls) == 1 and not self.waits:
            return calls[0][0], 1 + calls[0][1]
        whole = b"".join([packed for packed, _, _ in calls])
        expected = len(calls) + sum([passed_over for _, passed_over, _ in calls])
        return (
            (whole + pack("WAIT", self._min_replicas, REPLICA_WAIT), expected + 1) if self.waits else (whole, expected)
        )

    def own(self, replies: list[Any]) -> list[Any]:
        """Of the answers that came so far those that count."""
        places = accumulate([passed_over + 1 for _, passed_over, _ in self.calls], initial=-1)
        return [replies[place] for place in list(places)[1:] if place < len(replies)]

    def confirm(self, replies: list[Any], replicas: object) -> None:
        """Turn the answers to writes that too few replicas have into NotReplicated. `replicas` is WAIT's answer."""
        if not isinstance(replicas, int):
            self._unsure(replies, NotReplicated(f"WAIT was refused: {replicas}"))
        elif replicas < self._min_replicas:
            needed = f"{replicas} of {self._min_replicas} replicas confirmed it in {REPLICA_WAIT} ms"
            self._unsure(replies, NotReplicated(needed))

    def _unsure(self, replies: list[Any], failure: Exception) -> None:
        for index, (reply, (_, _, durable)) in enumerate(zip(replies, self.calls, strict=False)):
            if durable and not isinstance(reply, Exception):
                replies[index] = failure

    def not_sent(self, error: Exception) -> list[Any]:
        """The answers where no connection was to be had."""
        told = is_refusal(error) or isinstance(error, ConfigurationError)
        return [error if told else _because(NotSent(), error) for _ in self.calls]

    def broken_off(self, replies: list[Any], error: Exception) -> list[Any]:
        """The answers where the connection broke after `replies`."""
        if len(replies) < len(self.calls) and is_refusal(error):
            replies.append(error)
        if self.waits:
            # A write that was answered, and WAIT was not, may be on no replica.
            self._unsure(replies, _because(AnswerLost(), error))
        return replies + [_because(AnswerLost(), error) for _ in range(len(self.calls) - len(replies))]


def _because(failure: Exception, error: Exception) -> Exception:
    failure.__cause__ = error
    return failure
