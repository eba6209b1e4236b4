"""Sighting: what one who follows a session has last seen of it."""

from __future__ import annotations

import math
from typing import NamedTuple

from .errors import EndReason
from .record import Record

__all__ = ["GONE", "Sighting", "sighting", "unseen_until"]


class Sighting(NamedTuple):
    """A session as the store had it. `record` is None where there is none, or a session service keeps it.

    `expires_at` is when it is over if nothing more happens, in Unix milliseconds; a look at that time tells whether
    something did. `is_over` without a `reason`: nobody can say why.
    """

    expires_at: float
    is_over: bool = False
    reason: EndReason | None = None
    record: Record | None = None


GONE = Sighting(0, is_over=True)


def sighting(record: Record | None, realm: str, now: int) -> Sighting:
    """What the store's answer says at `now`, in Unix milliseconds. What is of another realm is not there."""
    if record is None or record.realm != realm:
        return GONE
    reason = record.end_reason_at(now)
    return Sighting(record.expires_at, reason is not None, reason, record)


def unseen_until(expires_at: float = math.inf) -> Sighting:
    """Before the first look: live, by what is known from elsewhere."""
    return Sighting(expires_at)
