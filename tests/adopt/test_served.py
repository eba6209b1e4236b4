"""Adoption by two processes of a real server at once."""

from __future__ import annotations

import json
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path

import pytest
from redis import Redis

from sojourn import SessionManager, open_store
from tests.conftest import StartServer
from tests.servers.redis import RedisServer

SID = "0123456789abcdef" * 2


def ask(port: int, method: str, path: str, cookie: str) -> tuple[int, list[str], dict[str, object]]:
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(method, path, headers={"Cookie": cookie, "Connection": "close"})
    response = connection.getresponse()
    body = json.loads(response.read())
    connection.close()
    return response.status, response.headers.get_all("set-cookie") or [], body


@pytest.fixture
def port(start_server: StartServer, redis_server: RedisServer, tmp_path: Path) -> int:
    redis_server.clear()
    with Redis.from_url(redis_server.url) as redis:
        redis.set(f"starsessions.{SID}", json.dumps({"user": "ada", "cart": ["tea"]}))
    command = [sys.executable, "-m", "uvicorn", "tests.adopt.served:app", "--port", "{port}", "--workers", "2"]
    env = {"SOJOURN_STORE": f"sqlite:///{tmp_path}/new.sqlite3", "OLD_REDIS": redis_server.url}
    return start_server([*command, "--log-level", "warning"], env=env, path="/none").port


def test_50_parallel_first_requests_to_two_processes_sign_nobody_out(port: int, tmp_path: Path) -> None:
    old, together = f"session={SID}", threading.Barrier(50)

    def first(number: int) -> tuple[int, list[str], dict[str, object]]:
        together.wait()
        return ask(port, "POST", f"/put/key{number}", old)

    with ThreadPoolExecutor(50) as threads:
        answers = list(threads.map(first, range(50)))
    handed = [cookies for _, cookies, _ in answers if cookies]

    assert {status for status, _, _ in answers} == {200}
    assert len(handed) == 1
    # In one answer the browser gets ours and forgets the old one.
    ours, forgotten = handed[0]
    assert forgotten.startswith("session=; Max-Age=0; Path=/")
    token = ours.partition(";")[0]
    _, _, me = ask(port, "GET", "/me", token)
    data = me["data"]
    assert isinstance(data, dict)
    assert (me["user"], data["cart"], len(data)) == ("ada", ["tea"], 52)
    manager = SessionManager(open_store(f"sqlite:///{tmp_path}/new.sqlite3"))
    assert len(manager.list("ada")) == 1
    manager.close()
    # After the log-out neither opens anything.
    assert ask(port, "POST", "/logout", token)[0] == 200
    assert [ask(port, "GET", "/me", cookie)[2]["user"] for cookie in (old, token)] == [None, None]
