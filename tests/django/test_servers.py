"""The project on real servers: threads and processes, forked with the store open, and a store that is shared."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.django.project.running import Visitor, run_project
from tests.server import Server
from tests.servers.waiting import wait_until

TOGETHER = 50


@dataclass
class Site:
    """A running project, and its folder."""

    server: Server
    folder: Path
    layer: str

    def visitor(self) -> Visitor:
        return Visitor(self.server.port)


@pytest.fixture(scope="module", params=["gunicorn django", "gunicorn ours", "uvicorn django", "uvicorn ours"], ids=str)
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    server, layer = request.param.split()
    folder = tmp_path_factory.mktemp("site")
    with run_project(server, layer, folder) as running:
        yield Site(running, folder, layer)


def test_parallel_requests_to_two_processes_lose_nothing(site: Site) -> None:
    visitor = site.visitor()
    visitor("POST", "/do/put", {"cart": [], "n": 0})
    twins = [visitor.twin() for _ in range(TOGETHER)]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda pair: pair[1]("POST", "/do/append", pair[0]), enumerate(twins)))
        list(pool.map(lambda pair: pair[1]("POST", "/do/put", {f"k{pair[0]}": 1}), enumerate(twins)))
        list(pool.map(lambda twin: twin("POST", "/do/increment"), twins))
    data = visitor("GET", "/show")[1]["data"]

    assert sorted(data["cart"]) == list(range(TOGETHER))
    assert data["n"] == TOGETHER
    assert sum(key.startswith("k") for key in data) == TOGETHER


def test_a_log_out_is_final_for_a_slow_request_of_either_process(site: Site) -> None:
    visitor = site.visitor()
    visitor("POST", "/do/login", "ada")
    for name in ("reached", "go"):
        (site.folder / name).unlink(missing_ok=True)
    slow = visitor.twin()
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(slow, "POST", "/do/slow_write")
        wait_until((site.folder / "reached").exists, "the slow request")
        visitor("POST", "/do/flush")
        (site.folder / "go").touch()
        status, _ = future.result(30)

    assert status == (400 if site.layer == "django" else 401)
    assert slow("GET", "/show")[1]["user"] is None
    assert visitor.token == ""


def test_users_who_come_together_never_see_one_another(site: Site) -> None:
    visitors = [site.visitor() for _ in range(40)]

    def lazy(number: int) -> bool:
        visitor = visitors[number]
        visitor("POST", "/do/put", {"mine": number})
        return all(visitor("GET", "/show")[1]["data"] == {"mine": number} for _ in range(5))

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(lazy, range(len(visitors))))


def test_the_server_says_nothing_of_tokens_and_ends_in_peace(site: Site) -> None:
    visitor = site.visitor()
    visitor("POST", "/do/login", "ada")
    visitor("POST", "/broken")
    output = site.server.output()

    assert visitor.token[-64:] not in output
    assert "ConfigurationError" not in output
