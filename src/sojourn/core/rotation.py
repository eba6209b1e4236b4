"""Rotation: which of a session's secrets was shown, and what follows. Pure.

One secret is current, up to four are next (issued, not yet shown), the last few are retired. An honest browser is
never signed out by a lost, late or overtaken answer; a copied token is noticed. See docs/concepts.md.
"""

from __future__ import annotations

from hmac import compare_digest
from typing import Literal

from .policy import Policy
from .record import Dated, Secrets

__all__ = ["Shown", "issue", "issue_is_due", "promote", "which"]

ISSUE_PAUSE_MS = 10_000
MAX_NEXT = 4
MAX_RETIRED = 4

Shown = Literal["current", "next", "retired", "reused", "unknown"]


def which(secrets: Secrets, shown: bytes, grace: float, now: int) -> Shown:
    """What the secret with the hash `shown` is to this session at `now`; `grace` is in seconds."""
    if compare_digest(secrets.current, shown):
        return "current"
    if any([compare_digest(known.hash, shown) for known in secrets.next]):
        return "next"
    for known in secrets.retired:
        if compare_digest(known.hash, shown):
            return "retired" if now < known.at + grace * 1000 else "reused"
    return "unknown"


def promote(secrets: Secrets, shown: bytes, now: int) -> Secrets:
    """A next secret was shown: it is current from now on, and the one before is retired. The other next ones stay."""
    return Secrets(
        current=shown,
        rotated_at=now,
        next=tuple(known for known in secrets.next if known.hash != shown),
        retired=(*secrets.retired, Dated(secrets.current, now))[-MAX_RETIRED:],
    )


def issue(secrets: Secrets, fresh: bytes, now: int) -> Secrets:
    """`fresh` was put in an answer: it is one of the next, from now on."""
    kept = (*secrets.next, Dated(fresh, now))[-MAX_NEXT:]
    return Secrets(current=secrets.current, rotated_at=secrets.rotated_at, next=kept, retired=secrets.retired)


def issue_is_due(secrets: Secrets, policy: Policy, now: int) -> bool:
    """Whether the answer to a browser that showed the current secret should carry a new one.

    With `rotated_at` 0 the current one is no token of ours but another layer's cookie: then at once.
    """
    if secrets.rotated_at and now < secrets.rotated_at + policy.rotate_ms:
        return False
    return not secrets.next or now >= secrets.next[-1].at + ISSUE_PAUSE_MS
