"""What set_expiry asks for, as limits of a session. Pure: Django keeps it in the data, under `_session_expiry`."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from sojourn.core.errors import EndReason
from sojourn.core.policy import Policy
from sojourn.core.record import Record

__all__ = ["EXPIRY", "over", "policy_for"]

EXPIRY = "_session_expiry"


def policy_for(policy: Policy, expiry: Any, now: int) -> Policy:
    """`policy` with the limits of a session whose `expiry` is so many seconds without activity, or a moment as text.

    It may be shorter as it likes, and longer up to the policy's `remember`. 0 and None ask for nothing here.
    """
    if not expiry:
        return policy
    idle, absolute, longer = policy.idle_timeout, policy.absolute_timeout, policy.remember
    if isinstance(expiry, str):
        left = max(1.0, (_moment(expiry) - now) / 1000)
        if longer is not None and left > absolute:
            idle, absolute = longer.idle_timeout, longer.absolute_timeout
        absolute = min(left, absolute)
        idle = min(idle, absolute)
    else:
        if longer is not None and expiry > idle:
            idle, absolute = longer.idle_timeout, max(absolute, longer.absolute_timeout)
        idle = max(1.0, min(float(expiry), idle))
    touch = policy.touch_interval
    return replace(
        policy,
        idle_timeout=idle,
        absolute_timeout=absolute,
        touch_interval=None if touch is None else min(touch, idle / 2),
    )


def over(expiry: Any, record: Record, now: int) -> EndReason | None:
    """Why a session with this `expiry` is over at `now`, where its record does not say so; None while it lives."""
    if not expiry:
        return None
    if isinstance(expiry, str):
        return "absolute_timeout" if now >= _moment(expiry) else None
    return "idle_timeout" if now >= record.seen_at + expiry * 1000 else None


def _moment(text: str) -> float:
    # Without a time zone it is the machine's, which Django sets to TIME_ZONE.
    return datetime.fromisoformat(text).timestamp() * 1000
