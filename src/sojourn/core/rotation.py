"""Rotation: which of a session's secrets was shown, and what follows. Pure.

A secret is a family, the session's own, and a part that is renewed. One part is current, some are issued and not yet
shown, the lately current ones are retired. An honest browser is not signed out by lost, late or overtaken answers; of
two who hold the session, each with the answers that it gets, one shows a part that is none of these. See
docs/concepts.md.
"""

from __future__ import annotations

from hmac import compare_digest
from typing import Literal

from .policy import Policy
from .record import RENEWAL_KEY, Dated, Secrets
from .token import Token

__all__ = ["Shown", "issue", "issue_is_due", "promote", "proof_is_owed", "proved_at", "which"]

FIRST_PAUSE_MS = 10_000
# So many answers with a new part, over five minutes and more, are not all lost.
STALLED_AFTER = 6
# With a short interval and a long grace there could be any number: no more are renewed until the oldest is over.
MAX_RETIRED = 16
LEAST_CREDIT_MS = 60_000

Shown = Literal["current", "next", "retired", "reused", "stalled", "unknown"]
"""What a secret is to its session.

`current`: the part to be shown. `next`: one that was issued, and is shown for the first time, however late.
`retired`: current a moment ago, from a request on its way. `reused`: the session's own family, and none of these.
`stalled`: the current one, but long after another should have taken its place. `unknown`: not of this session.
"""


def which(secrets: Secrets, token: Token, policy: Policy, now: int) -> Shown:
    """What the secret in `token` is to this session at `now`."""
    shown = token.hash
    if compare_digest(secrets.current, shown):
        return "stalled" if secrets.next and _is_stalled(secrets, policy, now) else "current"
    if any([compare_digest(known.hash, shown) for known in (*secrets.next, *secrets.late)]):
        return "next"
    for known in secrets.retired:
        if compare_digest(known.hash, shown):
            return "retired" if now < known.at + policy.rotate_grace * 1000 else "reused"
    # The public id alone gives no power over a session: only who held its secret once can be one of two who do.
    return "reused" if compare_digest(secrets.family, token.family) else "unknown"


def _is_stalled(secrets: Secrets, policy: Policy, now: int) -> bool:
    # Those that were issued beside the one before do not count.
    issued = [known.at for known in secrets.next if known.at >= secrets.rotated_at]
    return len(issued) >= STALLED_AFTER and now >= issued[0] + policy.rotate_ms


def promote(secrets: Secrets, shown: bytes, policy: Policy, now: int) -> Secrets:
    """A part was shown for the first time: it is current from now on, and the one before is retired.

    Parts that were issued beside it may still come, in late answers. Those of the generation before are gone: an answer
    that is as old as that is not on its way any more, but kept by somebody.
    """
    grown = any(known.hash == shown for known in secrets.next)
    beside = secrets.next if grown else secrets.late
    issued_at = max([known.at for known in beside if known.hash == shown], default=now)
    retired = [known for known in secrets.retired if now < known.at + policy.rotate_grace * 1000]
    return Secrets(
        family=secrets.family,
        current=shown,
        # How long a proof lasts is not for who shows what it brought to say.
        rotated_at=max(secrets.rotated_at, issued_at) if secrets.key.startswith(RENEWAL_KEY) else now,
        next=() if grown else secrets.next,
        late=tuple([known for known in beside if known.hash != shown]),
        retired=(*retired, Dated(secrets.current, now)),
        key=secrets.key,
    )


def issue(secrets: Secrets, fresh: bytes, now: int) -> Secrets:
    """`fresh` was put in an answer: it is one of the next, from now on."""
    return Secrets(
        family=secrets.family,
        current=secrets.current,
        rotated_at=secrets.rotated_at,
        next=(*secrets.next, Dated(fresh, now)),
        late=secrets.late,
        retired=secrets.retired,
        key=secrets.key,
    )


def issue_is_due(secrets: Secrets, policy: Policy, now: int) -> bool:
    """Whether the answer to a browser that showed the current part should carry a new one.

    Pauses double from one to the next (10, 20, 40 … s), so that none need be forgotten: in 30 days they are 18. With
    `rotated_at` 0 the current one is no token of ours but another layer's cookie: then at once.
    """
    if secrets.rotated_at and now < secrets.rotated_at + policy.rotate_ms:
        return False
    if secrets.next:
        return now >= secrets.next[-1].at + (FIRST_PAUSE_MS << (len(secrets.next) - 1))
    retired = [known for known in secrets.retired if now < known.at + policy.rotate_grace * 1000]
    return len(retired) < MAX_RETIRED


def proof_is_owed(secrets: Secrets, policy: Policy, now: int) -> bool:
    """Whether renewal takes a key, and it was not proved since that was due, for as long again: a minute at least."""
    if not secrets.key.startswith(RENEWAL_KEY):
        return False
    return now >= proved_at(secrets) + policy.rotate_ms + max(policy.rotate_ms, LEAST_CREDIT_MS)


def proved_at(secrets: Secrets) -> int:
    """When the key that renewal takes was last proved, in Unix milliseconds: each secret was issued to a proof."""
    return max([secrets.rotated_at, *[known.at for known in secrets.next]])
