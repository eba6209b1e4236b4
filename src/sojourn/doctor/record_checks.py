"""What a store's sessions say of the policies that they were made by, and of the application that made them. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from sojourn.admin.nist import LIMITS
from sojourn.core.policy import Policy
from sojourn.core.record import Record

from .finding import Finding

__all__ = ["SAMPLE", "examine_records"]

# That many tell what the others are like.
SAMPLE = 2_000
DAY_MS = 86_400_000
USUAL = Policy().max_sessions or 0


def examine_records(records: Sequence[Record], now: int) -> list[Finding]:
    """All findings about the live ones among `records`, in order of id. `now` is in Unix milliseconds."""
    live = [record for record in records if record.end_reason_at(now) is None]
    return [*_of_lifetimes(live), *_of_renewal(live), *_of_limit(live), *_of_adoption(live)] if live else []


def _sent(live: Sequence[Record]) -> str:
    return f"a look at {len(live):,} live session{'' if len(live) == 1 else 's'}"


def _of_lifetimes(live: Sequence[Record]) -> Iterator[Finding]:
    limit = next(each for each in LIMITS if (each.aal, each.timeout) == (1, "absolute_timeout"))
    longest = max((each.absolute_expires_at - each.created_at) / 1000 for each in live)
    days = limit.seconds // 86400
    if longest > limit.seconds:
        came = f"one may last {longest / 86400:.0f} days; NIST SP 800-63B-4 {limit.section} has {days} at most"
        yield Finding("timeouts", "low", _sent(live), came, "7.3.2", "Set absolute_timeout, and that of remember.")
    else:
        yield Finding("timeouts", "good", _sent(live), f"none may last longer than {days} days", "7.3.2", "")


def _of_renewal(live: Sequence[Record]) -> Iterator[Finding]:
    """Of a session that was seen an interval after its secret was renewed, a next one was issued then."""
    stale = [
        each
        for each in live
        if each.bound is None
        and not (each.secrets.next or each.secrets.late)
        and each.seen_at - each.secrets.rotated_at > DAY_MS
    ]
    if stale:
        came = f"{len(stale):,} showed the same secret for over a day: the policy's rotate_interval is long, or off"
        mend = "Set rotate_interval to an hour: a copied token is noticed by its renewal."
        yield Finding("renewal", "cannot tell", _sent(live), came, "", mend)
    else:
        yield Finding("renewal", "good", _sent(live), "no secret that was in use for over a day", "", "")


def _of_limit(live: Sequence[Record]) -> Iterator[Finding]:
    counts = Counter((each.realm, each.user_id) for each in live if each.user_id is not None)
    most = max(counts.values(), default=0)
    if most > USUAL:
        came = f"a user has {most:,}: the policy's max_sessions is high, or off"
        yield Finding("limit", "cannot tell", _sent(live), came, "7.1.2", "Set max_sessions to what a person can have.")
    else:
        yield Finding("limit", "good", _sent(live), f"{most:,} of one user at most", "7.1.2", "")


def _of_adoption(live: Sequence[Record]) -> Iterator[Finding]:
    """What was taken over from a layer that does not know of log-ins is of a user who logged in in 1970."""
    adopted = sum(each.user_id is not None and each.authenticated_at == 0 for each in live)
    if adopted:
        came = f"{adopted:,} were taken over from another session layer, so the application adopts, or did lately"
        mend = "When there are no more, remove adopt= with the old layer's secret: docs/migrating.md."
        yield Finding("adoption", "cannot tell", _sent(live), came, "", mend)
