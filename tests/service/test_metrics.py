"""/metrics of the service: who may read it, and that several workers tell one truth."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.metrics.exposed import series
from tests.server import Server
from tests.servers.waiting import wait_until
from tests.service.backend import Backend, make_key, start

LOGINS = "sojourn_logins_total"


def scrape(server: Server, key: str) -> Mapping[str, float]:
    with Backend(server.port, key) as scraper:
        answer = scraper.request("GET", "/metrics")
    assert answer.status == 200, answer.body
    return series(answer.body.decode())


def test_it_is_read_with_a_key_of_its_own_scope_and_with_no_other(
    service: Server, keys_by_scope: dict[str, str]
) -> None:
    for scope, key in keys_by_scope.items():
        with Backend(service.port, key) as caller:
            answer = caller.request("GET", "/metrics")
            if scope == "metrics":
                assert answer.status == 200
                assert answer.headers["content-type"].startswith("text/plain")
                assert answer.headers["cache-control"] == "no-store"
                assert caller.request("POST", "/v1/open", {"token": "x"}).code == "api-key-scope"
                assert caller.request("DELETE", "/v1/users/ada/sessions").code == "api-key-scope"
                assert caller.request("POST", "/metrics").code == "method-not-allowed"
            else:
                assert (answer.status, answer.code) == (403, "api-key-scope")
            assert caller.request("GET", "/metrics", headers={"authorization": None}).code == "api-key-required"


def test_it_is_answered_in_the_form_that_prometheus_asks_for(service: Server, keys_by_scope: dict[str, str]) -> None:
    with Backend(service.port, keys_by_scope["metrics"]) as scraper:
        answer = scraper.request("GET", "/metrics", headers={"accept": "application/openmetrics-text; version=1.0.0"})

    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.body.endswith(b"# EOF\n")


def test_without_the_setting_there_is_nothing(tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    key = make_key(keys, "metrics")
    with (
        start(tmp_path, "--store", f"sqlite:///{tmp_path}/s.db", "--keys", str(keys)) as server,
        Backend(server.port, key) as scraper,
    ):
        assert scraper.request("GET", "/metrics").code == "not-found"


def test_a_flag_and_the_environment_switch_it_on(tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    key = make_key(keys, "metrics")
    words = ("--store", f"sqlite:///{tmp_path}/s.db", "--keys", str(keys))
    for more, env in ((["--metrics"], {}), ([], {"SOJOURN_METRICS": "1"})):
        with start(tmp_path, *words, *more, env=env) as server:
            told = scrape(server, key)
            assert told['sojourn_opens_total{outcome="live"}'] == 0
            assert told["process_resident_memory_bytes"] > 0


@pytest.mark.parametrize("store", ["sqlite", "redis"])
def test_what_several_workers_did_is_told_by_each_of_them(
    store: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    keys = tmp_path / "keys.json"
    key = make_key(keys, "sessions", "admin", "metrics")
    url = f"sqlite:///{tmp_path}/s.db"
    if store == "redis":
        url = f"{request.getfixturevalue('redis_server').url}?cache=1MiB"
    words = ("--store", url, "--keys", str(keys), "--workers", "2", "--metrics")
    with start(tmp_path, *words, env={"TMPDIR": str(tmp_path)}) as server:
        wait_until(lambda: len(_workers(tmp_path)) == 2, "both workers")
        for number in range(20):  # a connection each: of both workers, as good as surely
            with Backend(server.port, key) as backend:
                token = backend.log_in(f"user {number}")
                assert backend.open(token)["status"] == "active"
        wanted = {"sojourn_logins_total": 20.0, 'sojourn_opens_total{outcome="live"}': 20.0}

        def told_by_all() -> bool:
            return all(counted(scrape(server, key)) == wanted for _ in range(10))

        def counted(told: Mapping[str, float]) -> Mapping[str, float]:
            return {name: told[name] for name in wanted}

        wait_until(told_by_all, "what both workers counted")
        [folder] = tmp_path.glob("sojourn-metrics-*")
    assert not folder.exists()


def test_what_is_open_at_each_worker_is_told_and_goes_with_it(tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    key = make_key(keys, "sessions", "admin", "metrics")
    words = ("--store", f"sqlite:///{tmp_path}/s.db", "--keys", str(keys), "--workers", "2", "--metrics")
    with (
        start(tmp_path, *words, env={"TMPDIR": str(tmp_path)}) as server,
        ExitStack() as waiting,
    ):

        def is_told(count: float) -> bool:
            # Each connection is one worker's or the other's.
            told = [scrape(server, key) for _ in range(5)]
            return all(each["sojourn_streams"] == count and each[LOGINS] == 3 for each in told)

        wait_until(lambda: len(_workers(tmp_path)) == 2, "both workers")
        one, other = _workers(tmp_path)
        for stopped, users in ((one, ("ada",)), (other, ("bob", "eve"))):
            os.kill(stopped, signal.SIGSTOP)
            for user in users:
                waiting.enter_context(_wait_for_an_end(server, key, user))
            os.kill(stopped, signal.SIGCONT)
        wait_until(lambda: is_told(3), "what both have open")
        # A worker that is killed takes its gauges along, and none of what was counted.
        os.kill(one, signal.SIGKILL)
        wait_until(lambda: is_told(1) and one not in _workers(tmp_path), "its absence")
        with Backend(server.port, key) as backend:
            assert backend.request("DELETE", "/v1/users/ada/sessions").json == {"ended": 1}
        wait_until(lambda: is_told(0), "the end of the wait")


@contextmanager
def _wait_for_an_end(server: Server, key: str, user: str) -> Iterator[None]:
    """At the worker that answers, until the session is over."""
    with Backend(server.port, key) as backend:
        id = backend.open(backend.log_in(user))["session"]["id"]
        backend.ask("GET", f"/v1/sessions/{id}/end?wait=60")
        yield


def _workers(folder: Path) -> set[int]:
    """Whose gauges are told."""
    return {int(file.stem.rpartition("_")[2]) for file in folder.glob("sojourn-metrics-*/gauge_livesum_*.db")}
