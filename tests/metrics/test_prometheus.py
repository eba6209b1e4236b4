"""A real Prometheus, set up by examples/monitoring: its numbers, its alerts, and what the dashboard asks it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.server import Server
from tests.servers.prometheus import Prometheus, find_tool
from tests.servers.redis import RedisServer
from tests.servers.waiting import wait_until
from tests.service.backend import Backend, make_key, start

ROOT = Path(__file__).parents[2]
MONITORING = ROOT / "examples" / "monitoring"
PAGE = (ROOT / "docs" / "metrics.md").read_text("utf-8")
DASHBOARD = json.loads((MONITORING / "dashboard.json").read_text("utf-8"))

THREADS, USERS = 8, 40
# Of each visitor, while logged in.
OPENS = 3
COUNTED = {
    "sojourn_logins_total": USERS,
    "sojourn_sessions_created_total": USERS,
    'sojourn_ends_total{reason="logout"}': USERS,
    # A commit opens its session once more: two that changed the same key, and the one that logs out.
    'sojourn_opens_total{outcome="live"}': USERS * (OPENS + 3),
    'sojourn_opens_total{outcome="ended"}': USERS,
    'sojourn_opens_total{outcome="none"}': USERS,
    'sojourn_unknown_tokens_total{cause="wrong_secret"}': USERS,
    'sojourn_merges_total{outcome="clean"}': USERS,
    'sojourn_ends_total{reason="revoked"}': 0,
    "sojourn_token_reuses_total": 0,
    "sojourn_store_errors_total": 0,
    # Whatever was opened was read, from the cache or from Redis.
    "sojourn_cache_reads_total": USERS * (OPENS + 5),
    'sojourn_store_seconds_count{operation="create"}': USERS,
}


Monitored = tuple[Server, str, Prometheus]


@pytest.fixture(scope="module")
def monitored(tmp_path_factory: pytest.TempPathFactory, redis_server: RedisServer) -> Iterator[Monitored]:
    """A service of two workers on Redis, with a cache; a key of it; and the Prometheus that reads its numbers."""
    folder = tmp_path_factory.mktemp("monitored")
    keys = folder / "keys.json"
    key = make_key(keys, "sessions", "admin")
    (folder / "key").write_text(make_key(keys, "metrics") + "\n")
    words = ("--store", f"{redis_server.url}?cache=8MiB", "--keys", str(keys), "--workers", "2", "--metrics")
    with start(folder, *words) as service:
        config = (MONITORING / "prometheus.yml").read_text("utf-8")
        here = {"/etc/prometheus/key": str(folder / "key"), "127.0.0.1:8100": f"127.0.0.1:{service.port}"}
        for there, place in here.items():
            assert config.count(there) == 1
            config = config.replace(there, place)
        (folder / "prometheus.yml").write_text(config.replace(": 15s", ": 500ms"))
        shutil.copy(MONITORING / "alerts.yml", folder)
        with Prometheus(folder, folder / "prometheus.yml") as prometheus:
            yield service, key, prometheus


def visit(service: Server, key: str, number: int) -> None:
    """A visitor's whole life."""
    with Backend(service.port, key) as backend:
        token = backend.log_in(f"user {number}")
        now = backend.open(token)["now"]
        for _ in range(OPENS - 1):
            backend.open(token)
        for thing in ("tea", "cup"):
            backend.commit(token, opened_at=now, changes={"bag": {"value": [thing]}})
        assert backend.open(token[:-64] + "0" * 64)["status"] == "none"
        backend.commit(token, action={"type": "logout"})
        assert backend.open(token)["end_reason"] == "logout"


def test_prometheus_has_the_numbers_of_a_run_of_many_at_once(monitored: Monitored) -> None:
    service, key, prometheus = monitored
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(lambda number: visit(service, key, number), range(USERS)))

    def told() -> dict[str, list[float]]:
        return {name: prometheus.values(f"sum({name})") for name in COUNTED}

    wanted = {name: [float(value)] for name, value in COUNTED.items()}
    try:
        wait_until(lambda: told() == wanted, "the numbers of the run")
    except TimeoutError:
        assert told() == wanted


def test_each_query_of_the_dashboard_has_an_answer(monitored: Monitored) -> None:
    service, key, prometheus = monitored
    visit(service, key, USERS)
    queries = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
    assert len(queries) > 20

    def silent() -> list[str]:
        given = {query: query.replace("$job", ".*").replace("$__rate_interval", "1m") for query in queries}
        assert not [query for query in given.values() if "$" in query]
        return [query for query, asked in given.items() if not prometheus.values(asked)]

    # A rate is one of two scrapes.
    try:
        wait_until(lambda: silent() == [], "an answer to each query")
    except TimeoutError:
        assert silent() == []


def test_the_rules_are_loaded_and_tell_that_two_hold_one_token(monitored: Monitored) -> None:
    service, key, prometheus = monitored

    def rules() -> list[dict[str, Any]]:
        return [rule for group in prometheus.ask("rules")["groups"] for rule in group["rules"]]

    def firing() -> list[str]:
        return [rule["name"] for rule in rules() if rule["state"] == "firing"]

    wait_until(lambda: all(rule["health"] == "ok" for rule in rules()), "each rule was looked at")
    named = re.findall(r"- alert: (\w+)", (MONITORING / "alerts.yml").read_text("utf-8"))
    assert [rule["name"] for rule in rules()] == named
    # Of the other alerts one or two may come: a busy machine is slow.
    assert "SojournHeldByTwo" not in firing()

    with Backend(service.port, key) as backend:
        token = backend.log_in("somebody")
        assert backend.open(token[:-32] + "0" * 32)["end_reason"] == "token_reuse"

    wait_until(lambda: "SojournHeldByTwo" in firing(), "the alert", 60)


def test_each_alert_comes_when_it_should_and_none_while_nothing_is_wrong(tmp_path: Path) -> None:
    shutil.copy(MONITORING / "alerts.yml", tmp_path)
    shutil.copy(Path(__file__).with_name("alerts_test.yml"), tmp_path)
    told = subprocess.run(
        [find_tool("promtool"), "test", "rules", "alerts_test.yml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert told.returncode == 0, told.stdout + told.stderr


def test_the_dashboard_and_the_alerts_name_no_metric_that_the_page_has_not() -> None:
    text = (MONITORING / "dashboard.json").read_text("utf-8") + (MONITORING / "alerts.yml").read_text("utf-8")
    named = {re.sub("_(bucket|sum|count)$", "", name) for name in re.findall(r"\bsojourn_[a-z_]+\b", text)}
    documented = set(re.findall(r"^\| `(sojourn_[a-z_]+)` \|", PAGE, re.MULTILINE))

    assert named == documented


def test_the_page_s_scrape_configuration_is_the_example_s() -> None:
    [block] = re.findall(r"```yaml\n# prometheus.yml\n(.*?)```", PAGE, re.DOTALL)
    example = re.sub(r" +#.*", "", (MONITORING / "prometheus.yml").read_text("utf-8"))

    assert block in example
