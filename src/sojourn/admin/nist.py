"""What NIST SP 800-63B-4 (July 2025) says of session timeouts, and where a Policy departs from it. Pure.

The numbers are those of 2.1.3, 2.2.3 and 2.3.3, one section per authenticator assurance level (AAL); that a
session's secret should not outlive the browser is 5.1. NIST asks for no inactivity timeout at AAL1.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from sojourn.core.policy import Policy

__all__ = ["AAL", "AALS", "LIMITS", "Departure", "NistLimit", "departures"]

AAL = Literal[1, 2, 3]
AALS: tuple[AAL, ...] = (1, 2, 3)


class NistLimit(NamedTuple):
    """The longest that NIST allows a timeout to be, in seconds, and how firmly."""

    aal: AAL
    timeout: Literal["idle_timeout", "absolute_timeout"]
    seconds: int
    word: Literal["SHOULD", "SHALL"]
    section: str


LIMITS = (
    NistLimit(1, "absolute_timeout", 30 * 86400, "SHOULD", "2.1.3"),
    NistLimit(2, "absolute_timeout", 24 * 3600, "SHOULD", "2.2.3"),
    NistLimit(2, "idle_timeout", 3600, "SHOULD", "2.2.3"),
    NistLimit(3, "absolute_timeout", 12 * 3600, "SHALL", "2.3.3"),
    NistLimit(3, "idle_timeout", 15 * 60, "SHOULD", "2.3.3"),
)


class Departure(NamedTuple):
    """One setting that goes beyond NIST. `value` and `limit` are seconds; both None for what is no timeout."""

    aal: AAL
    setting: str
    value: float | None
    limit: int | None
    word: Literal["SHOULD", "SHALL", "SHOULD NOT"]
    section: str


def departures(policy: Policy, aal: AAL) -> list[Departure]:
    """Where `policy` departs from NIST at `aal`; remembered log-ins are judged by their own timeouts."""
    lifetimes = {"": policy.lifetime(remember=False)}
    if policy.remember is not None:
        lifetimes["remember."] = policy.remember
    found = []
    for prefix, lifetime in lifetimes.items():
        for limit in LIMITS:
            value = lifetime.idle_timeout if limit.timeout == "idle_timeout" else lifetime.absolute_timeout
            if limit.aal == aal and value > limit.seconds:
                found.append(Departure(aal, prefix + limit.timeout, value, limit.seconds, limit.word, limit.section))
    if policy.remember is not None:
        found.append(Departure(aal, "remember", None, None, "SHOULD NOT", "5.1"))
    return found
