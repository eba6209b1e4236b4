"""Aims: what was wanted before anything was measured, and whether a run found it."""

from __future__ import annotations

from typing import NamedTuple

from . import django_cost, flask_cost
from .admin import Admin
from .bound import BY_BROWSER, BY_SCRIPT, FASTAPI, Bound
from .contention import SESSIONS, WRITERS, Contention
from .flask_shop import FLASK_SESSION
from .framework_cost import FrameworkCost
from .live import Live
from .network import Network
from .network_cost import AT_ONCE, NetworkCost
from .network_cost import Kind as NetworkKind
from .network_peers import CACHED_REDIS, REDIS
from .over_http import CONNECT_REDIS
from .overhead import BIG, SMALL, TITLES, Overhead
from .peers import MEMORY, OURS, SQLITE
from .postgres_writes import PostgresWrites
from .races import Races
from .revocation import Revocation
from .rounds import Spread
from .scale import Scale
from .service import CONNECTIONS, Service
from .service_peers import ADAPTER, CACHED_SERVICE
from .tables import figure
from .together import AT_ONCE as TOGETHER_AT_ONCE
from .together import BESIDE, KINDS, Kind, Together
from .together_peers import BATCHED, PYTHON_BATCHED

__all__ = [
    "Aim",
    "judge_admin",
    "judge_bound",
    "judge_contention",
    "judge_django",
    "judge_flask",
    "judge_live",
    "judge_network",
    "judge_overhead",
    "judge_postgres_writes",
    "judge_races",
    "judge_revocation",
    "judge_scale",
    "judge_service",
    "judge_together",
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

MOST_COMMANDS = {REDIS: 1020, CACHED_REDIS: 20}
MOST_OF_GET = 1.25
MOST_OF_STARSESSIONS: dict[tuple[NetworkKind, int], float] = {
    ("read", 1): 0.38,
    ("read", AT_ONCE): 0.15,
    ("change", 1): 0.85,
    ("change", AT_ONCE): 0.45,
}
MOST_OF_FASTAPI_REDIS: dict[tuple[NetworkKind, int], float] = {("read", 1): 0.28, ("read", AT_ONCE): 0.12}
MOST_OF_UNCACHED = 1.0
MOST_OF_SIGNED_COOKIE = 0.5
MOST_OF_FLASK_SESSION = 1.2
LEAST_OF_SPREAD_WRITES = 0.8
MOST_OF_A_PAGE_MS = 200
MOST_REVOCATION_MS = 20
MOST_OF_A_FOREIGN_WRITE_US = 30
MOST_UNTIL_TOLD_MS = 1000
MOST_OF_BARE_UPDATE = 1.3
LEAST_OF_QUIET = 0.9
MOST_OF_FLASK_COOKIE = 0.6
MOST_OF_DJANGO = 0.5
# × the requests a second of Express with connect-redis.
LEAST_OF_CONNECT_REDIS = {CACHED_SERVICE: 4, ADAPTER: 0.8}
# × the requests a second of Express with connect-redis, or of the same asked one by one: 1, 16 and 128 at once.
LEAST_TOGETHER: dict[tuple[str, Kind], tuple[float, ...]] = {
    (BATCHED, "read"): (1.3, 1.1, 1.2),
    (BATCHED, "change"): (1.0, 1.0, 1.0),
    (PYTHON_BATCHED, "read"): (0.95, 1.2, 1.2),
    (PYTHON_BATCHED, "change"): (0.95, 1.2, 1.2),
}


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


def judge_network(found: Network) -> list[Aim]:
    """What a request costs whose session is in Redis: commands, time and memory."""
    asked = {commands.peer: commands.total for commands in found.commands}
    judged = [
        Aim(f"{peer}: at most {most:,} commands for 1,000 reading requests", f"{asked[peer]:,}", asked[peer] <= most)
        for peer, most in MOST_COMMANDS.items()
    ]
    costs = {(cost.peer, cost.kind, cost.at_once): cost for cost in found.costs}
    alone, cached = costs[REDIS, "read", 1], costs[CACHED_REDIS, "read", 1]
    judged += _at_most("one after another, a read adds", alone, MOST_OF_GET, "a bare GET", alone.of_get)
    judged += _at_most(
        "a read adds", cached, MOST_OF_SIGNED_COOKIE, "what the signed cookie adds", cached.of_signed_cookie
    )
    for (kind, at_once), most in MOST_OF_STARSESSIONS.items():
        cost, what = costs[REDIS, kind, at_once], f"{at_once} at once, a {kind} adds"
        judged += _at_most(what, cost, most, "what starsessions adds", cost.of_starsessions)
        if more := MOST_OF_FASTAPI_REDIS.get((kind, at_once)):
            judged += _at_most(what, cost, more, "what fastapi-redis-sdk adds", cost.of_fastapi_redis)
    changed, uncached = costs[CACHED_REDIS, "change", 1], costs[REDIS, "change", 1]
    share = changed.added.median / uncached.added.median
    wanted = f"{CACHED_REDIS}: a change adds at most {MOST_OF_UNCACHED} × what it adds without a cache"
    judged.append(Aim(wanted, f"{share:.3f} ×", share <= MOST_OF_UNCACHED))
    bytes_ = {footprint.peer: footprint.session for footprint in found.footprints}
    if FLASK_SESSION in bytes_:
        share = bytes_[REDIS] / bytes_[FLASK_SESSION]
        wanted = f"{REDIS}: a session takes at most {MOST_OF_FLASK_SESSION} × the bytes of {FLASK_SESSION}"
        judged.append(Aim(wanted, f"{share:.3f} ×", share <= MOST_OF_FLASK_SESSION))
    return judged


def _at_most(what: str, cost: NetworkCost, most: float, beside: str, share: Spread | None) -> list[Aim]:
    """The aim, where the peer that it speaks of took part."""
    if share is None:
        return []
    return [Aim(f"{cost.peer}: {what} at most {most} × {beside}", f"{share.median:.3f} ×", share.median <= most)]


def judge_contention(found: Contention) -> list[Aim]:
    """Whether writers of one session stand in each other's way, and what is kept."""
    ours = next(each for each in found.peers if each.peer == REDIS)
    wanted = (
        f"{REDIS}: {WRITERS} writers of one session are at least {LEAST_OF_SPREAD_WRITES} × as fast as of {SESSIONS}"
    )
    kept = min(each.kept_in_one for each in found.peers if each.peer.startswith("Sojourn"))
    return [
        Aim(wanted, f"{ours.ratio.median:.3f} ×", ours.ratio.median >= LEAST_OF_SPREAD_WRITES),
        Aim("Every write of theirs is kept", f"{kept:.1%}", kept == 1),
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


def judge_revocation(found: Revocation) -> list[Aim]:
    """How soon a revoked session is refused by every process."""
    return [
        Aim(
            f"{each.store}, cached: 99 of 100 revoked sessions are refused by another process within "
            f"{MOST_REVOCATION_MS} ms",
            f"{figure(each.p99_ms)} ms",
            each.p99_ms < MOST_REVOCATION_MS,
        )
        for each in found.delays
    ] + [
        Aim(
            f"Redis, cached: a write by another process, {each.at_once} at once, costs at most "
            f"{MOST_OF_A_FOREIGN_WRITE_US} µs of processor",
            f"{figure(each.cpu_us)} µs",
            each.cpu_us <= MOST_OF_A_FOREIGN_WRITE_US,
        )
        for each in found.heard
    ]


def judge_live(found: Live) -> list[Aim]:
    """How soon an open stream tells of what happened elsewhere."""
    return [
        Aim(
            f"{each.store}: 99 of 100 revocations, and changes, are told by an open stream within "
            f"{MOST_UNTIL_TOLD_MS:,} ms",
            f"{figure(each.revocation_p99_ms)} ms, {figure(each.change_p99_ms)} ms",
            max(each.revocation_p99_ms, each.change_p99_ms) < MOST_UNTIL_TOLD_MS,
        )
        for each in found.delays
    ]


def judge_postgres_writes(found: PostgresWrites) -> list[Aim]:
    """A change beside a bare UPDATE, what a listener costs, and a revocation among the writes of others."""
    bare, quiet, p99 = found.of_bare["all"].median, found.of_quiet.median, found.revocation.p99_ms
    return [
        Aim(
            f"PostgreSQL: a change takes at most {MOST_OF_BARE_UPDATE} × a bare UPDATE by psycopg",
            f"{bare:.3f} ×",
            bare <= MOST_OF_BARE_UPDATE,
        ),
        Aim(
            f"PostgreSQL: 32 writers with a cache that listens are at least {LEAST_OF_QUIET} × as fast as without",
            f"{quiet:.3f} ×",
            quiet >= LEAST_OF_QUIET,
        ),
        Aim(
            f"PostgreSQL, among writes of others: 99 of 100 revoked sessions are refused elsewhere within "
            f"{MOST_REVOCATION_MS} ms",
            f"{figure(p99)} ms",
            p99 < MOST_REVOCATION_MS,
        ),
    ]


def judge_service(found: Service) -> list[Aim]:
    """How an open, and a page through the adapter, compare with Express and connect-redis."""
    judged = []
    for peer, least in LEAST_OF_CONNECT_REDIS.items():
        for connections in CONNECTIONS:
            ratio = found.ratio(peer, connections)
            if ratio is not None:
                wanted = f"{peer}: {connections} connections, at least {least} × the requests a second of connect-redis"
                judged.append(Aim(wanted, f"{ratio.median:.3f} ×", ratio.median >= least))
    return judged


def judge_together(found: Together) -> list[Aim]:
    """How a back end of the service compares with connect-redis, and with asking one by one."""
    judged = []
    for (peer, kind), least in LEAST_TOGETHER.items():
        for many, wanted in zip(TOGETHER_AT_ONCE, least, strict=True):
            cost = found.cost(peer, kind, many)
            if cost is not None and cost.ratio is not None:
                what = f"{peer}: {kind}s, {many} at once, at least {wanted} × the requests a second of {BESIDE[peer]}"
                judged.append(Aim(what, f"{cost.ratio.median:.3f} ×", cost.ratio.median >= wanted))
    for many in TOGETHER_AT_ONCE[1:]:
        for kind in KINDS:
            ours, theirs = found.cost(BATCHED, kind, many), found.cost(CONNECT_REDIS, kind, many)
            if ours and theirs and ours.beyond_bare and theirs.beyond_bare:
                mine, other = ours.beyond_bare.median, theirs.beyond_bare.median
                what = f"{BATCHED}: {kind}s, {many} at once, add no more to bare Express than connect-redis does"
                judged.append(Aim(what, f"{figure(mine)} µs, {figure(other)} µs", mine <= other))
    return judged


def judge_flask(found: FrameworkCost) -> list[Aim]:
    """What reading one key costs in Flask."""
    return _judge_framework(found, flask_cost.OURS_SQLITE, MOST_OF_FLASK_COOKIE)


def judge_django(found: FrameworkCost) -> list[Aim]:
    """What reading one key costs in Django."""
    return _judge_framework(found, django_cost.OURS, MOST_OF_DJANGO)


def _judge_framework(found: FrameworkCost, peer: str, most: float) -> list[Aim]:
    wanted = f"{found.framework}: with {peer}, reading one key adds at most {most} × what {found.own} adds"
    shares = [cost.share.median for cost in found.costs if (cost.peer, cost.kind) == (peer, "read")]
    return [Aim(wanted, f"{share:.3f} ×", share <= most) for share in shares]
