"""Aims of what keeps its sessions on a server, or asks the service: what was wanted, and whether a run found it."""

from __future__ import annotations

from .aims import Aim
from .contention import SESSIONS, WRITERS, Contention
from .flask_shop import FLASK_SESSION
from .live import Live
from .network import Network
from .network_cost import AT_ONCE, NetworkCost
from .network_cost import Kind as NetworkKind
from .network_peers import CACHED_REDIS, REDIS
from .one_key import OneKey
from .over_http import CONNECT_REDIS
from .postgres_writes import PostgresWrites
from .revocation import Revocation
from .rounds import Spread
from .service import CONNECTIONS, Service
from .service_peers import ADAPTER, CACHED_SERVICE, SERVICE
from .tables import figure
from .together import AT_ONCE as TOGETHER_AT_ONCE
from .together import BESIDE, KINDS, Kind, Together
from .together_peers import BATCHED, DOTNET_BATCHED, PYTHON_BATCHED

__all__ = [
    "judge_contention",
    "judge_live",
    "judge_network",
    "judge_postgres_writes",
    "judge_revocation",
    "judge_service",
    "judge_together",
]

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
MOST_REVOCATION_MS = {"Redis": 10, "PostgreSQL": 20}
# Of 64 at once that set one value.
MOST_ATTEMPTS = 3
MOST_OF_A_FOREIGN_WRITE_US = 30
MOST_UNTIL_TOLD_MS = 1000
MOST_OF_BARE_UPDATE = 1.3
LEAST_OF_QUIET = 0.9
# × the requests a second of Express with connect-redis.
LEAST_OF_CONNECT_REDIS = {SERVICE: 4, CACHED_SERVICE: 6.5, ADAPTER: 1.5}
# × the requests a second of Express with connect-redis, or of the same asked one by one: 1, 16 and 128 at once.
LEAST_TOGETHER: dict[tuple[str, Kind], tuple[float, ...]] = {
    (BATCHED, "read"): (1.3, 1.1, 1.2),
    (BATCHED, "change"): (1.0, 1.0, 1.0),
    (PYTHON_BATCHED, "read"): (0.95, 1.2, 1.2),
    (PYTHON_BATCHED, "change"): (0.95, 1.2, 1.2),
}
# µs of the service's processor, 16 at once.
MOST_OF_AN_OPEN_US = 25
MOST_OF_A_COMMIT_US = 40
# With 3,000 requests under way, each of which takes 0.1 ms of the loop.
LEAST_FROM_CACHE = 0.99


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
        *[_of_one_key(each) for each in found.one_key],
    ]


def _of_one_key(found: OneKey) -> Aim:
    writes, refused = found.one_writes.median, found.refused
    wanted = f"{found.store}: of 64 at once that set one value, each is written in at most {MOST_ATTEMPTS} attempts"
    met = writes <= MOST_ATTEMPTS and not refused
    return Aim(f"{wanted}, and none is refused", f"{writes:.2f}, {refused} refused", met)


def judge_revocation(found: Revocation) -> list[Aim]:
    """How soon a revoked session is refused by every process."""
    judged = [
        Aim(
            f"{each.store}, cached: 99 of 100 revoked sessions are refused by another process within "
            f"{MOST_REVOCATION_MS[each.store]} ms",
            f"{figure(each.p99_ms)} ms",
            each.p99_ms <= MOST_REVOCATION_MS[each.store],
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
    if busy := found.busy:
        wanted = f"Redis, cached: with {busy.tasks:,} requests under way, the cache still answers"
        judged.append(
            Aim(
                f"{wanted} {LEAST_FROM_CACHE:.0%}",
                f"{busy.from_cache:.1%}, in rounds of {figure(busy.lag_ms)} ms",
                busy.from_cache >= LEAST_FROM_CACHE,
            )
        )
    return judged


def judge_live(found: Live) -> list[Aim]:
    """How soon an open page, and a stream, tell of what happened elsewhere."""
    return [
        Aim(
            f"{each.store}: 99 of 100 revocations, and changes, are told by {teller} within {MOST_UNTIL_TOLD_MS:,} ms",
            f"{figure(each.revocation_p99_ms)} ms, {figure(each.change_p99_ms)} ms",
            max(each.revocation_p99_ms, each.change_p99_ms) < MOST_UNTIL_TOLD_MS,
        )
        for teller, delays in (("Chromium's page", found.pages), ("an open stream", found.delays))
        for each in delays
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
            f"{MOST_REVOCATION_MS['PostgreSQL']} ms",
            f"{figure(p99)} ms",
            p99 <= MOST_REVOCATION_MS["PostgreSQL"],
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
    return [*judged, *_of_the_service(found, TOGETHER_AT_ONCE[1])]


def _of_the_service(found: Together, many: int) -> list[Aim]:
    """A read is an open, and a change an open and a commit."""
    judged = []
    for peer in (PYTHON_BATCHED, BATCHED, DOTNET_BATCHED):
        read, change = found.cost(peer, "read", many), found.cost(peer, "change", many)
        if read and change and read.keeper_cpu and change.keeper_cpu:
            an_open = read.keeper_cpu.median
            a_commit = change.keeper_cpu.median - an_open
            wanted = f"{peer}, {many} at once: an open and a commit cost the service at most"
            judged.append(
                Aim(
                    f"{wanted} {MOST_OF_AN_OPEN_US} and {MOST_OF_A_COMMIT_US} µs of processor",
                    f"{figure(an_open)} µs, {figure(a_commit)} µs",
                    an_open <= MOST_OF_AN_OPEN_US and a_commit <= MOST_OF_A_COMMIT_US,
                )
            )
    return judged
