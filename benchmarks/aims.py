"""Aims: what was wanted before anything was measured, and whether a run found it."""

from __future__ import annotations

from typing import NamedTuple

from .overhead import Overhead
from .peers import MEMORY, OURS, SQLITE
from .races import Races
from .scale import Scale
from .tables import figure

__all__ = ["Aim", "judge_overhead", "judge_races", "judge_scale"]

# Of what the signed cookie adds in the same round.
MOST_ADDED = {MEMORY.name: 0.4, SQLITE.name: 0.8}
MOST_WAIT_MS = 50
# Opening the smallest file and the largest: the same, but for the weather.
SAME = 1.5


class Aim(NamedTuple):
    """One aim, in words, and what came out."""

    wanted: str
    found: str
    met: bool


def judge_overhead(found: Overhead) -> list[Aim]:
    """What a request that reads one key costs, and what it does."""
    judged = []
    for cost in found.costs:
        most, ratio = MOST_ADDED.get(cost.peer), cost.of_signed_cookie
        if cost.kind == "read" and most and ratio:
            wanted = f"{cost.peer}: reading one key adds at most {most} × what the signed cookie adds"
            judged.append(Aim(wanted, f"{ratio.median:.3f} ×", ratio.median <= most))
    ours = [deeds for deeds in found.deeds if deeds.peer in OURS]
    calls = {(deeds.reads, deeds.writes, deeds.set_cookies) for deeds in ours}
    told = "; ".join(", ".join(map(str, each)) for each in sorted(calls))
    judged.append(Aim("Reading one key: 1 store read, 0 writes, 0 Set-Cookie", told, calls == {(1, 0, 0)}))
    decoded = {deeds.decoded for deeds in ours}
    told = " or ".join(map(str, decoded))
    return [*judged, Aim("Reading one key decodes 1 value of 12", told, decoded == {1})]


def judge_races(found: Races) -> list[Aim]:
    """What is kept of parallel requests, and whether a logout stays one."""
    ours = [race for race in found.races if race.peer in OURS]
    requests = found.size.requests
    kept = [figure for race in ours for figure in (*race.keys, *race.items, *(race.increments or ()))]
    alive = sum(race.alive_after_logout + race.alive_after_slow_write + race.alive_after_slow_read for race in ours)
    wanted = f"Of {requests} parallel writes of keys, list items or increments, {requests} are kept"
    return [
        Aim(wanted, f"{min(kept)} at the least", min(kept) == requests),
        Aim(
            "After a logout the old cookie opens nothing, whatever was under way",
            f"{alive} of {3 * found.size.logouts * len(ours)} did",
            alive == 0,
        ),
    ]


def judge_scale(found: Scale) -> list[Aim]:
    """Whether size matters where it should not."""
    small, large, cleanup = found.files[0], found.files[-1], found.cleanup
    return [
        Aim(
            f"A file of {large.sessions:,} sessions opens as fast as one of {small.sessions:,} (within {SAME} ×)",
            f"{figure(large.open_ms)} ms, {figure(small.open_ms)} ms",
            large.open_ms <= SAME * small.open_ms,
        ),
        Aim(
            f"While {cleanup.deleted:,} of {cleanup.sessions:,} sessions are cleaned up, another process never waits "
            f"over {MOST_WAIT_MS} ms to write",
            f"{figure(cleanup.longest_wait_ms)} ms",
            cleanup.longest_wait_ms <= MOST_WAIT_MS,
        ),
    ]
