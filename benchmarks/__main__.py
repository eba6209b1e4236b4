"""`python -m benchmarks`: measure Sojourn beside its peers, and write down what was found."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from . import (
    admin,
    bound,
    contention,
    edge,
    framework_cost,
    lifecycle,
    live,
    million,
    network,
    network_cost,
    overhead,
    postgres_writes,
    races,
    revocation,
    scale,
    service,
    together,
    weight,
)
from .conditions import conditions
from .flask_shop import flask_is_there
from .over_http import express_is_there
from .peers import PEERS, installed
from .results import PARTS, Results, Sizes
from .servers import versions
from .service_peers import adapter_is_there

__all__ = ["FULL", "QUICK", "main", "run"]

FULL = Sizes(
    overhead=overhead.Size(rounds=101, laps=5, requests=40),
    lifecycle=lifecycle.Size(rounds=31, laps=2, requests=40),
    races=races.Size(requests=50, repeats=5, logouts=20),
    scale=scale.Size(files=(1_000, 100_000, 1_000_000), expired=100_000, processes=(1, 4), tasks=32, seconds=5.0),
    network=network.Size(
        cost=network_cost.Size(rounds=31, laps=3, requests=100, requests_at_once=256), http_rounds=21, http_requests=640
    ),
    contention=contention.Size(rounds=11, writes=1024),
    million=million.Size(sessions=1_000_000, expired=100_000),
    admin=admin.Size(stores=admin.STORES, sessions=1_000_000, asks=20),
    revocation=revocation.Size(sessions=1_000, writes=20_000, tasks=3_000, seconds=10),
    live=live.Size(stores=live.STORES, tries=200, streams=10_000, seconds=20),
    postgres=postgres_writes.Size(rounds=21, changes=200, seconds=1.0, revocations=500),
    service=service.Size(rounds=21, requests=4096),
    edge=edge.Size(peers=edge.PEERS, rounds=21, requests=2048),
    bound=bound.Size(rounds=51, laps=3, requests=40, http_requests=256),
    together=together.Size(rounds=21, requests=2048, dotnet=True),
    weight=weight.Size(modules=tuple(weight.MODULES), imports=15, starts=11, sessions=1_000),
    flask=framework_cost.Size(rounds=51, laps=5, requests=40),
    django=framework_cost.Size(rounds=31, laps=3, requests=40),
)
QUICK = Sizes(
    overhead=overhead.Size(rounds=5, laps=2, requests=10),
    lifecycle=lifecycle.Size(rounds=1, laps=1, requests=2),
    races=races.Size(requests=50, repeats=1, logouts=1),
    scale=scale.Size(files=(1_000, 2_000), expired=200, processes=(1, 2), tasks=8, seconds=0.1),
    network=network.Size(
        cost=network_cost.Size(rounds=1, laps=1, requests=10, requests_at_once=32), http_rounds=1, http_requests=32
    ),
    contention=contention.Size(rounds=1, writes=32),
    million=million.Size(sessions=700, expired=100),
    admin=admin.Size(stores=("SQLite",), sessions=500, asks=1),
    revocation=revocation.Size(sessions=20, writes=64, tasks=100, seconds=0.2),
    live=live.Size(stores=(live.MEMORY,), tries=10, streams=5, seconds=0.1),
    postgres=postgres_writes.Size(rounds=1, changes=10, seconds=0.1, revocations=4),
    service=service.Size(rounds=1, requests=256),
    edge=edge.Size(peers=(edge.ALONE, edge.CACHED), rounds=1, requests=64),
    bound=bound.Size(rounds=1, laps=1, requests=10, http_requests=32),
    together=together.Size(rounds=1, requests=16),
    weight=weight.Size(modules=(weight.ASGI,), imports=0, starts=0, sessions=10),
    flask=framework_cost.Size(rounds=1, laps=1, requests=10),
    django=framework_cost.Size(rounds=1, laps=1, requests=10),
)


def main(arguments: Sequence[str] | None = None, folder: Path = Path(__file__).parent) -> None:
    """Run what the arguments say. A full run writes into `folder`."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure Sojourn beside its peers.")
    parser.add_argument("names", nargs="*", metavar="name", help=f"{', '.join(PARTS)}: printed only; else all")
    parser.add_argument("--quick", action="store_true", help="a run of seconds, printed only: it proves nothing")
    given = parser.parse_args(arguments)
    if not set(given.names) <= set(PARTS):
        parser.error(f"the benchmarks are {', '.join(PARTS)}")
    whole = not given.quick and not given.names
    missing = [peer.needs for peer in PEERS if peer not in installed()] + ["flask-session"] * (not flask_is_there())
    if whole and missing:
        parser.error(f"a full run needs {', '.join(missing)}: `make bench` installs what requirements/bench.lock names")
    if not express_is_there():
        print("Without Express: there is no Node, or benchmarks/express has no packages. `make bench` installs both.")
    elif not adapter_is_there():
        print("Without sojourn-express: adapters/express is not built. `npm ci && npm run build` there.")
    found = run(given.names or list(PARTS), QUICK if given.quick else FULL)
    if whole:
        found.write(folder)


def run(names: Sequence[str], sizes: Sizes) -> Results:
    """Measure what is named, and print it."""
    found = Results(conditions(versions()))
    for name in names:
        setattr(found, name, PARTS[name].measure(getattr(sizes, name)))
    print("\n\n".join(found.sections().values()))
    return found


if __name__ == "__main__":
    main()
