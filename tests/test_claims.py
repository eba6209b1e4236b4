"""What the pages say that something costs is what was measured: benchmarks/results.json."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import msgspec
import pytest

from benchmarks.network_peers import CACHED_REDIS, REDIS
from benchmarks.over_http import CONNECT_REDIS
from benchmarks.overhead import SESSIONS, summary
from benchmarks.peers import MEMORY, SQLITE
from benchmarks.results import Results
from benchmarks.service_peers import CACHED_SERVICE
from benchmarks.together import AT_ONCE, KINDS
from benchmarks.together_peers import BATCHED

ROOT = Path(__file__).parents[1]
# Runs differ by less, on one machine.
TOLERANCE = 0.2


@cache
def results() -> Any:
    """Of the last full run; its parts are all there."""
    return msgspec.json.decode((ROOT / "benchmarks/results.json").read_bytes(), type=Results)


def over_http(peer: str) -> float:
    return next(float(cost.cpu.median) for cost in results().network.over_http if cost.peer == peer)


def edge(peer: str, what: str) -> float:
    cost = next(cost for cost in results().edge.costs if cost.peer == peer)
    return float(cost.added.median if what == "added" else cost.cpu[what].median)


def read_on_sqlite() -> float:
    costs = results().overhead.costs
    return next(float(cost.took.median) for cost in costs if (cost.peer, cost.kind) == (SQLITE.name, "read"))


def opens() -> float:
    costs = results().service.costs
    return min(float(cost.per_second.median) for cost in costs if cost.peer == CACHED_SERVICE)


ASKED, CACHED, EXPRESS = (
    "nginx, sojourn serve, Redis",
    "nginx, sojourn serve, Redis, cached",
    "nginx, Express with connect-redis",
)
CLAIMS: list[tuple[str, str, Callable[[], float]]] = [
    ("docs/metrics.md", r"\[(\d+) µs of a processor\]", lambda: over_http(CACHED_REDIS)),
    ("docs/metrics.md", r"with a cached Redis, and (\d+) with one", lambda: over_http(REDIS)),
    ("docs/edge.md", r"nginx takes (\d+) µs of a processor", lambda: edge("nginx alone", "nginx")),
    ("docs/edge.md", r"Asking first adds (\d+) µs with a cached", lambda: edge(CACHED, "added")),
    ("docs/edge.md", r"cached Redis, (\d+) of them the", lambda: edge(CACHED, "asked")),
    ("docs/edge.md", r"and (\d+) with one that is asked each time", lambda: edge(ASKED, "added")),
    ("docs/edge.md", r"asked instead, adds (\d+)", lambda: edge(EXPRESS, "added")),
    ("docs/stores.md", r"a read takes (\d+) µs", read_on_sqlite),
    ("docs/operations.md", r"\[some ([\d,]+) sessions a second\]", opens),
]


@pytest.mark.parametrize(
    ("page", "words", "measured"), CLAIMS, ids=[f"{page} {n}" for n, (page, *_) in enumerate(CLAIMS)]
)
def test_a_figure_on_a_page_is_what_was_measured(page: str, words: str, measured: Callable[[], float]) -> None:
    (said,) = re.findall(words, (ROOT / page).read_text("utf-8"))

    assert float(said.replace(",", "")) == pytest.approx(measured(), rel=TOLERANCE)


@pytest.mark.parametrize("session", SESSIONS)
def test_a_read_costs_less_than_a_signed_cookie_and_a_change_in_a_file_costs_more(session: str) -> None:
    """README.md, "It costs little"."""
    added = {
        (cost.peer, cost.kind): cost.of_signed_cookie.median
        for cost in results().overhead.costs
        if cost.session == session
    }

    assert max(added[MEMORY.name, "read"], added[SQLITE.name, "read"]) < 1
    assert added[SQLITE.name, "change"] > 1


def test_a_session_costs_express_less_than_with_connect_redis() -> None:
    """CHANGELOG.md and adapters/express/README.md."""
    for many, kind in product(AT_ONCE, KINDS):
        ours, theirs = (results().together.cost(peer, kind, many) for peer in (BATCHED, CONNECT_REDIS))
        assert ours.cpu.median < theirs.cpu.median


def test_the_front_page_and_the_benchmarks_have_the_tables_of_one_run() -> None:
    page = (ROOT / "benchmarks/README.md").read_text("utf-8")

    assert summary(results().overhead) in (ROOT / "README.md").read_text("utf-8")
    assert [name for name, section in results().sections().items() if section not in page] == []
