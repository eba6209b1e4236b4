"""The benchmarks run, in small: their figures are not judged here, but what they count is."""

from __future__ import annotations

import shutil
import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import get_args
from xml.etree import ElementTree

import msgspec
import pytest

import benchmarks
from benchmarks import (
    admin,
    bound,
    contention,
    counting,
    edge,
    framework_cost,
    lifecycle,
    live,
    million,
    network,
    network_cost,
    network_peers,
    overhead,
    postgres_writes,
    races,
    request_path,
    revocation,
    scale,
    service,
    together,
    weight,
)
from benchmarks.__main__ import QUICK, main
from benchmarks.aims import judge_bound
from benchmarks.network_peers import CACHED_REDIS, REDIS
from benchmarks.peers import MEMORY, OURS
from benchmarks.results import Results, put
from benchmarks.service_peers import CACHED_SERVICE, SERVICE
from benchmarks.together_peers import PYTHON_BATCHED, PYTHON_PLAIN
from tests.servers.redis import RedisServer

FOLDER = Path(benchmarks.__file__).parent


def test_a_read_passes_few_files_and_few_functions(redis_server: RedisServer) -> None:
    """Both are what a reader must follow. `python -m benchmarks.request_path` prints them, in their order."""
    memory, redis = request_path.measure([MEMORY, request_path.redis_peer(redis_server.url)])

    assert len(memory.files) <= 11
    assert len(memory.calls) <= 24
    assert len(redis.files) <= 16
    assert len(redis.calls) <= 48


def test_a_request_that_reads_one_key_reads_the_store_once_and_writes_nothing() -> None:
    ours = {counts.peer: counts for counts in overhead.measure(QUICK.overhead).call_counts if counts.peer in OURS}

    assert set(ours) == set(OURS)
    for counts in ours.values():
        assert (counts.reads, counts.writes, counts.set_cookies, counts.decoded) == (1, 0, 0, 1)


def test_sessions_are_begun_logged_in_and_out_and_renewed_beside_others() -> None:
    found = lifecycle.measure(QUICK.lifecycle)

    measured = {(cost.peer, cost.kind) for group in found.groups for cost in group.costs}
    ours = (*OURS, REDIS, network_peers.POSTGRES)
    assert measured >= {(peer, kind) for peer in ours for kind in framework_cost.LIFE}
    assert "renewal is due" in lifecycle.report(found)


def test_every_parallel_write_is_kept_and_every_logout_is_final() -> None:
    ours = {race.peer: race for race in races.measure(QUICK.races).races if race.peer in OURS}

    assert set(ours) == set(OURS)
    for race in ours.values():
        assert race.keys == race.items == race.increments == [50]
        assert race.alive_after_logout == race.alive_after_slow_write == race.alive_after_slow_read == 0


def test_what_counting_adds_is_measured_beside_the_same_request_uncounted() -> None:
    found = counting.measure([MEMORY], rounds=2, laps=1, requests=10)

    assert [(cost.store, cost.took.median > 0) for cost in found] == [(MEMORY.name, True)]
    assert "counting adds" in counting.report(found)


def test_a_clean_up_deletes_every_expired_session() -> None:
    found = scale.measure(QUICK.scale)

    assert found.cleanup.deleted == QUICK.scale.expired
    assert [row.processes for row in found.throughput] == list(QUICK.scale.processes)


def test_a_read_only_request_is_one_command_for_redis_and_none_with_the_cache() -> None:
    found = network.measure(QUICK.network)
    asked = {commands.peer: commands for commands in found.commands}

    assert asked[REDIS].commands == {"get": 1000}
    assert asked[CACHED_REDIS].total <= 20
    assert {(cost.peer, cost.kind) for cost in found.costs} >= set(
        product(network_peers.OURS, get_args(network_cost.Kind))
    )
    assert "One key changed, 32 requests at once" in network.report(found)


def test_every_write_of_32_writers_of_one_session_is_kept() -> None:
    found = contention.measure(QUICK.contention)
    ours = {each.peer: each for each in found.peers if each.peer in network_peers.OURS}

    assert set(ours) == set(network_peers.OURS)
    for each in ours.values():
        assert each.kept_in_one == each.kept_in_many == 1


def test_a_bound_session_is_read_as_any_other_and_a_proof_is_noted_as_used() -> None:
    found = bound.measure(QUICK.bound)

    assert [(cost.reads, cost.writes) for cost in found.costs] == 2 * [(1, 0), (1, 0), (1, 0), (1, 0), (1, 1)]
    assert [cost.took.median > 0 for cost in found.over_http] == 12 * [True]
    assert [aim.wanted.split(":")[0] for aim in judge_bound(found)] == [
        *["FastAPI, memory", "FastAPI, SQLite"],
        *["memory", "SQLite"],
    ]
    assert bound.BY_SCRIPT in bound.report(found)


def test_every_store_lists_and_revokes_a_users_sessions_and_is_cleaned_up() -> None:
    found, size = million.measure(QUICK.million), QUICK.million

    assert [each.store for each in found.stores] == ["SQLite", "PostgreSQL", "Redis"]
    for each in found.stores:
        met = {name: task.met for name, task in each.tasks.items()}
        assert met["list"] == met["revoke_all"]
        assert met["delete_expired"] == size.expired
        assert met["stats"] == size.sessions - size.expired - met["revoke_all"]


def test_every_page_for_operators_is_asked_for() -> None:
    found = admin.measure(QUICK.admin)

    assert [page.name for page in found.pages["SQLite"]] == list(admin.NAMES)
    assert all(0 < page.median_ms <= page.longest_ms for page in found.pages["SQLite"])
    assert "End everything?" in admin.report(found)


@pytest.mark.parametrize("framework", ["flask", "django"])
def test_a_framework_s_own_sessions_are_measured_beside_ours(framework: str) -> None:
    """In a process of its own: Django's settings stay where they are."""
    command = [sys.executable, "-m", "benchmarks", framework, "--quick"]
    told = subprocess.run(command, cwd=FOLDER.parent, capture_output=True, text=True, check=True).stdout

    assert "Sojourn, SQLite" in told
    assert "reading one key adds at most" in told
    # A row for each peer, below the head of its table.
    assert told.partition("one integer changed")[2].split("\n\n")[0].count("Sojourn, SQLite") >= 1


def test_a_revoked_session_is_refused_by_the_process_that_has_it_cached() -> None:
    found = revocation.measure(QUICK.revocation)

    assert [delay.store for delay in found.delays] == ["Redis", "PostgreSQL"]
    assert all(0 < delay.median_ms <= delay.longest_ms for delay in found.delays)
    assert all(each.cpu_us > 0 for each in found.heard)
    assert len(found.heard) == 2
    assert found.busy is not None
    assert found.busy.from_cache > 0


def test_changes_are_measured_beside_a_bare_update_and_with_a_cache_that_listens() -> None:
    found = postgres_writes.measure(QUICK.postgres)

    assert all(each.median > 0 for each in (*found.of_bare.values(), *found.per_second.values(), found.of_quiet))
    assert 0 < found.revocation.median_ms <= found.revocation.longest_ms
    assert postgres_writes.LISTENED in postgres_writes.report(found)


def test_the_service_answers_every_open_at_each_number_of_connections() -> None:
    found = service.measure(QUICK.service)
    measured = {(cost.peer, cost.connections) for cost in found.costs}

    assert measured >= {(peer, connections) for peer in (SERVICE, CACHED_SERVICE) for connections in (32, 256)}
    assert all(0 < cost.p50_ms.median <= cost.p99_ms.median for cost in found.costs)
    assert "256 connections" in service.report(found)


def test_the_edge_is_measured_beside_nginx_alone() -> None:
    found = edge.measure(QUICK.edge)
    by_name = {cost.peer: cost for cost in found.costs}

    assert by_name.keys() == {edge.ALONE, edge.CACHED}
    assert all(spent.median >= 0 for cost in found.costs for spent in cost.cpu.values())
    assert by_name[edge.CACHED].cpu.keys() == {"nginx", "asked", "store"}
    assert edge.CACHED in edge.report(found)


def test_back_ends_of_the_service_are_measured_together_and_one_by_one() -> None:
    found = together.measure(QUICK.together)
    measured = {(cost.peer, cost.kind, cost.at_once) for cost in found.costs}

    ours = (PYTHON_BATCHED, PYTHON_PLAIN)
    assert measured >= {(peer, kind, many) for peer in ours for kind in together.KINDS for many in together.AT_ONCE}
    assert all(cost.cpu.median > 0 for cost in found.costs)
    assert "changes, 128 at once" in together.report(found)


def test_a_run_is_written_down_as_figures_tables_and_charts(tmp_path: Path) -> None:
    found = msgspec.json.decode((FOLDER / "results.json").read_bytes(), type=Results)
    shutil.copy(FOLDER / "README.md", tmp_path)

    found.write(tmp_path)

    page = (tmp_path / "README.md").read_text("utf-8")
    assert all(f"-->\n{section}\n<!-- /" in page for section in found.sections().values())
    assert msgspec.json.decode((tmp_path / "results.json").read_bytes(), type=Results) == found
    for chart in ("overhead.svg", "races.svg"):
        drawn = " ".join(ElementTree.parse(tmp_path / chart).getroot().itertext())
        assert all(peer in drawn for peer in OURS)


def test_a_page_keeps_what_stands_outside_the_marks() -> None:
    page = "Before.\n<!-- aims -->\nold\n<!-- /aims -->\nAfter.\n"

    assert put(page, {"aims": "new"}) == "Before.\n<!-- aims -->\nnew\n<!-- /aims -->\nAfter.\n"


def test_a_named_benchmark_prints_its_tables_alone(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--quick", "races"])

    printed = capsys.readouterr().out
    assert "Old cookie still works" in printed
    assert "One key read" not in printed


def test_an_unknown_benchmark_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["speed"])

    assert "overhead, lifecycle, races, scale, network" in capsys.readouterr().err


def test_imports_starts_and_sessions_are_weighed() -> None:
    found = weight.measure(QUICK.weight)

    assert [(each.module, each.modules > each.ours > 0) for each in found.imported] == [(weight.ASGI, True)]
    assert [each.seconds.median > 0 for each in found.started] == [True, True]
    assert [each.store for each in found.kept] == ["memory", "SQLite", "PostgreSQL", "Redis"]
    assert found.kept[0].twelve_keys > found.kept[0].one_integer > 0
    assert found.touch_bytes <= 300


def test_pages_and_event_streams_are_told_of_changes_and_ends_and_weighed() -> None:
    found = live.measure(QUICK.live)

    for delays in (found.pages, found.delays):
        assert [(each.store, each.revocation_ms > 0, each.change_ms > 0) for each in delays] == [("memory", True, True)]
    assert all(0 < each.first <= each.half <= each.last for each in found.crowds)
    assert "5 streams of one user" in live.report(found)
