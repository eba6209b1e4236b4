"""Aims: what was wanted before anything was measured, and whether a run found it."""

from __future__ import annotations

from typing import NamedTuple

from . import django_cost, flask_cost
from .admin import Admin
from .bound import BY_BROWSER, BY_SCRIPT, FASTAPI, Bound
from .framework_cost import FrameworkCost
from .overhead import BIG, SMALL, TITLES, Overhead
from .peers import MEMORY, OURS, SQLITE
from .races import Races
from .scale import Scale
from .tables import figure
from .weight import ASGI, Weight

__all__ = [
    "Aim",
    "judge_admin",
    "judge_bound",
    "judge_django",
    "judge_flask",
    "judge_overhead",
    "judge_races",
    "judge_scale",
    "judge_weight",
]

# Of what the signed cookie adds in the same round.
MOST_ADDED: dict[tuple[str, str, str], float] = {
    (MEMORY.name, BIG, "read"): 0.30,
    (MEMORY.name, SMALL, "read"): 0.55,
    (SQLITE.name, BIG, "read"): 0.65,
    (SQLITE.name, SMALL, "read"): 1.0,
    (SQLITE.name, BIG, "change"): 1.6,
}
MOST_WAIT_MS = 50
# Opening the smallest file and the largest: the same, but for the weather.
SAME = 1.5

MOST_OF_UNBOUND = 1.03
MOST_OF_A_PROOF_US = 150

MOST_OF_A_PAGE_MS = 200
MOST_OF_FLASK_COOKIE = 0.35
MOST_OF_DJANGO = 0.15
MOST_OF_AN_IMPORT_MS = 120
MOST_OF_A_TOUCH = 300


class Aim(NamedTuple):
    """One aim, in words, and what came out."""

    wanted: str
    found: str
    met: bool


def judge_overhead(found: Overhead) -> list[Aim]:
    """What a request that reads one key costs, and what it does."""
    judged = []
    for cost in found.costs:
        most, ratio = MOST_ADDED.get((cost.peer, cost.session, cost.kind)), cost.of_signed_cookie
        if most and ratio:
            what = f"{cost.peer}, {cost.session}: {TITLES[cost.kind].lower()}"
            wanted = f"{what} adds at most {most} × what the signed cookie adds"
            judged.append(Aim(wanted, f"{ratio.median:.3f} ×", ratio.median <= most))
    ours = [counts for counts in found.call_counts if counts.peer in OURS]
    calls = {(counts.reads, counts.writes, counts.set_cookies) for counts in ours}
    calls_found = "; ".join(", ".join(map(str, each)) for each in sorted(calls))
    judged.append(Aim("Reading one key: 1 store read, 0 writes, 0 Set-Cookie", calls_found, calls == {(1, 0, 0)}))
    decoded = {counts.decoded for counts in ours}
    decoded_found = " or ".join(map(str, decoded))
    return [*judged, Aim("Reading one key decodes 1 value of 12", decoded_found, decoded == {1})]


def judge_bound(found: Bound) -> list[Aim]:
    """What it costs that a session is bound to a key."""
    judged = []
    for asked in found.over_http:
        if asked.times_unbound and asked.kind == BY_BROWSER and asked.application == FASTAPI:
            ratio = asked.times_unbound.median
            wanted = f"FastAPI, {asked.store}: a bound session's request costs at most {MOST_OF_UNBOUND} × another's"
            judged.append(Aim(wanted, f"{ratio:.3f} ×", ratio <= MOST_OF_UNBOUND))
    for cost in found.costs:
        if cost.kind == BY_SCRIPT and cost.added:
            added = cost.added.median
            wanted = f"{cost.store}: a request's proof costs at most {MOST_OF_A_PROOF_US} µs"
            judged.append(Aim(wanted, f"{figure(added)} µs", added <= MOST_OF_A_PROOF_US))
    return judged


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


def judge_admin(found: Admin) -> list[Aim]:
    """Whether an operator waits for no page."""
    slowest = {store: max(pages, key=lambda page: page.median_ms) for store, pages in found.pages.items()}
    return [
        Aim(
            f"{store}, {found.size.sessions:,} sessions: every page for operators comes within {MOST_OF_A_PAGE_MS} ms",
            f"{figure(page.median_ms)} ms ({page.name})",
            page.median_ms < MOST_OF_A_PAGE_MS,
        )
        for store, page in slowest.items()
    ]


def judge_flask(found: FrameworkCost) -> list[Aim]:
    """What reading one key costs in Flask."""
    return _judge_framework(found, flask_cost.OURS_SQLITE, MOST_OF_FLASK_COOKIE)


def judge_django(found: FrameworkCost) -> list[Aim]:
    """What reading one key costs in Django."""
    return _judge_framework(found, django_cost.OURS, MOST_OF_DJANGO)


def _judge_framework(found: FrameworkCost, peer: str, most: float) -> list[Aim]:
    wanted = f"{found.framework}: with {peer}, reading one key adds at most {most} × what {found.own} adds"
    shares = [cost.share for cost in found.costs if (cost.peer, cost.kind) == (peer, "read")]
    return [Aim(wanted, f"{share.median:.3f} ×", share.median <= most) for share in shares if share]


def judge_weight(found: Weight) -> list[Aim]:
    """What an import costs, and what Redis logs of activity."""
    took = next(each.cpu_ms.median for each in found.imported if each.module == ASGI)
    wanted = f"Redis: activity in a session of 32 KiB adds at most {MOST_OF_A_TOUCH} bytes to the append-only file"
    return [
        Aim(
            f"To import {ASGI} takes at most {MOST_OF_AN_IMPORT_MS} ms of processor",
            f"{figure(took)} ms",
            took <= MOST_OF_AN_IMPORT_MS,
        ),
        Aim(wanted, f"{found.touch_bytes} bytes", found.touch_bytes <= MOST_OF_A_TOUCH),
    ]
