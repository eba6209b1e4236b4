"""`python -m benchmarks`: measure Sojourn beside its peers, and write down what was found."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from . import overhead, races, scale
from .conditions import conditions
from .peers import PEERS, installed
from .results import Results

__all__ = ["NAMES", "QUICK", "main", "run"]

NAMES = ("overhead", "races", "scale")

FULL = (
    overhead.Size(rounds=101, laps=5, requests=40),
    races.Size(requests=50, repeats=5, logouts=20),
    scale.Size(files=(1_000, 100_000, 1_000_000), expired=100_000, processes=(1, 4), tasks=32, seconds=5.0),
)
QUICK = (
    overhead.Size(rounds=5, laps=2, requests=10),
    races.Size(requests=50, repeats=1, logouts=2),
    scale.Size(files=(1_000, 5_000), expired=1_000, processes=(1, 2), tasks=8, seconds=0.3),
)


def main(arguments: Sequence[str] | None = None, folder: Path = Path(__file__).parent) -> None:
    """Run what the arguments say. A full run writes into `folder`."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure Sojourn beside its peers.")
    parser.add_argument("names", nargs="*", metavar="name", help="overhead, races or scale, printed only; else all")
    parser.add_argument("--quick", action="store_true", help="a run of seconds, printed only: it proves nothing")
    given = parser.parse_args(arguments)
    if not set(given.names) <= set(NAMES):
        parser.error(f"the benchmarks are {', '.join(NAMES)}")
    whole = not given.quick and not given.names
    missing = [peer.needs for peer in PEERS if peer not in installed()]
    if whole and missing:
        parser.error(f"a full run needs {', '.join(missing)}: `make bench` installs what requirements/bench.lock names")
    found = run(given.names or NAMES, *(QUICK if given.quick else FULL))
    if whole:
        found.write(folder)


def run(names: Sequence[str], for_overhead: overhead.Size, for_races: races.Size, for_scale: scale.Size) -> Results:
    """Measure what is named, and print it."""
    found = Results(conditions())
    if "overhead" in names:
        found.overhead = overhead.measure(for_overhead, installed())
    if "races" in names:
        found.races = races.measure(for_races, installed())
    if "scale" in names:
        found.scale = scale.measure(for_scale)
    print("\n\n".join(found.sections().values()))
    return found


if __name__ == "__main__":
    main()
