"""The process: starting, stopping, workers, sockets, a store that goes away, and what its log holds."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.server import Server
from tests.servers.port import find_port
from tests.servers.redis import find_redis, start_redis
from tests.servers.waiting import wait_until
from tests.service.backend import COMMAND, Answer, Backend, make_key, start

SECRET = re.compile("(sj1-[0-9a-f]{32}|sjk1-[0-9a-f]{8})-[0-9a-f]{64}")


def answers(server: Server) -> bool:
    try:
        with Backend(server.port, "") as backend:
            return backend.request("GET", "/health").status == 200
    except OSError:
        return False


# The log


def test_no_secret_and_no_cookie_is_in_the_log(service: Server, backend: Backend) -> None:
    token = backend.log_in("ada\n\x1b[31m", cart=["hunter2"])
    backend.open(token)
    backend.request("GET", f"/v1/users/{token}/sessions")
    backend.request("GET", f"/{token}?token={token}")
    backend.request("GET", "/session/", headers={"cookie": f"__Host-session={token}"})
    backend.request("POST", "/v1/open", {token: token})
    backend.request("POST", "/v1/open", {"token": "x"}, {"authorization": f"Bearer {backend.key[:-1]}"})

    log = service.output()
    assert token[-64:] not in log
    assert backend.key[-64:] not in log
    assert not SECRET.search(log)
    assert "hunter2" not in log
    assert "__Host-session" not in log


def test_the_log_is_one_json_object_a_line(service: Server, backend: Backend) -> None:
    token = backend.log_in("ada\n\x1b[31m")
    backend.request("GET", "/v1/users/bob/sessions")
    service.wait_to_print('"/v1/users/{user_id}/sessions"')

    # Not splitlines(): a user's id may hold what is a line's end to Python, and none to JSON.
    lines = [json.loads(line) for line in service.output().rstrip("\n").split("\n")]
    assert {"time", "level", "logger", "message"} <= set(lines[0])
    assert any(line.get("id") == token[4:36] and line["message"] == "logged_in" for line in lines)
    asked = next(line for line in reversed(lines) if line.get("path", "").startswith("/v1/users"))
    assert (asked["method"], asked["path"], asked["status"]) == ("GET", "/v1/users/{user_id}/sessions", 200)


def test_a_line_for_a_person_stays_one_line(tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    key = make_key(keys, "sessions")
    with start(tmp_path, "--store", "memory:", "--keys", str(keys)) as server, Backend(server.port, key) as backend:
        backend.log_in("ada\n2026 forged\x1b[31m\u2028")
        log = server.output()

    line = next(line for line in log.splitlines() if "logged_in" in line)
    assert re.match(
        r'\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} info    logged_in id="[0-9a-f]{32}" user_id="ada\\n2026', line
    )
    assert "\x1b" not in log
    assert log.isascii()


# Stopping


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_requests_under_way_finish(tmp_path: Path, number: signal.Signals) -> None:
    keys = tmp_path / "keys.json"
    key = make_key(keys, "sessions")
    with start(tmp_path, "--store", "memory:", "--keys", str(keys)) as server, socket.socket() as slow:
        slow.connect(("127.0.0.1", server.port))
        idle = socket.create_connection(("127.0.0.1", server.port))
        body = b'{"token": "x"}'
        head = f"POST /v1/open HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\n"
        slow.sendall(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body[:4])
        wait_until(lambda: answers(server), "an answer: the slow one has been read by then")
        server.process.send_signal(number)
        wait_until(lambda: not answers(server), "the service closed to others")
        slow.sendall(body[4:])

        assert slow.recv(10_000).startswith(b"HTTP/1.1 200 OK\r\n")
        assert idle.recv(10) == b""
        idle.close()
        assert server.process.wait(5) == 0


def test_a_unix_socket_is_listened_at_and_removed(tmp_path: Path) -> None:
    keys, place = tmp_path / "keys.json", tmp_path / "service.sock"
    command = [*COMMAND, "serve", "--store", "memory:", "--keys", str(keys), "--uds", str(place)]
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(place))  # by one that was killed
    process = subprocess.Popen(command, stderr=subprocess.PIPE)
    try:
        wait_until(lambda: ask_unix(place).startswith(b"HTTP/1.1 200"), "an answer")
        second = subprocess.run(command, capture_output=True, text=True, check=False)
        assert second.returncode == 2
        assert f"There is something at {place}" in second.stderr
        assert ask_unix(place).startswith(b"HTTP/1.1 200")
    finally:
        process.terminate()
        process.communicate()
    assert process.returncode == 0
    assert not place.exists()


def test_a_unix_socket_behind_a_link_is_listened_at_and_the_link_stays(tmp_path: Path) -> None:
    place, link = tmp_path / "run" / "service.sock", tmp_path / "link.sock"
    place.parent.mkdir()
    link.symlink_to("run/service.sock")
    command = [*COMMAND, "serve", "--store", "memory:", "--keys", str(tmp_path / "keys.json"), "--uds", str(link)]
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(place))  # by one that was killed
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: ask_unix(link).startswith(b"HTTP/1.1 200"), "an answer")
        assert place.is_socket()
    finally:
        process.terminate()
        process.wait()
    assert not place.exists()
    assert link.is_symlink()


def ask_unix(place: Path) -> bytes:
    with socket.socket(socket.AF_UNIX) as caller:
        try:
            caller.connect(str(place))
        except OSError:
            return b""
        caller.sendall(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n")
        return caller.recv(1000)


def test_a_port_that_is_taken_is_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", find_port())) as taken:
        port = str(taken.getsockname()[1])
        command = [*COMMAND, "serve", "--store", "memory:", "--keys", str(tmp_path / "k"), "--port", port]
        done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert f"Port {port} is taken by another program" in done.stderr


# Workers


def test_several_workers_share_the_store_and_the_keys(tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    key = make_key(keys, "sessions")
    store = f"sqlite:///{tmp_path}/sessions.sqlite3"
    with start(tmp_path, "--store", store, "--keys", str(keys), "--workers", "2") as server:
        with Backend(server.port, key) as backend:
            token = backend.log_in("ada")
        for _ in range(20):  # a connection each: of both workers, as good as surely
            with Backend(server.port, key) as backend:
                backend.commit(token, increments={"n": 1})
        with Backend(server.port, key) as backend:
            assert backend.open(token)["session"]["data"] == {"n": 20}

        children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
        worker = next(int(pid) for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes())
        os.kill(worker, signal.SIGKILL)
        wait_until(lambda: not Path(f"/proc/{worker}").exists(), "the worker gone")
        wait_until(lambda: answers(server), "an answer")

        server.process.terminate()
        assert server.process.wait(15) == 0


# The store


def test_a_store_that_goes_away_is_an_outage_and_comes_back(tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    key = make_key(keys, "sessions", "admin")
    with (
        start_redis(tmp_path, find_redis()) as redis,
        start(tmp_path, "--store", redis.url, "--keys", str(keys)) as server,
        Backend(server.port, key) as backend,
    ):
        token = backend.log_in("ada", n=1)
        redis.kill()
        asked = [
            ("POST", "/v1/open", {"token": token}),
            ("POST", "/v1/commit", {"token": token, "status": "active", "changes": {"n": {"value": 2}}}),
            ("GET", "/v1/users/ada/sessions", None),
            ("GET", "/ready", None),
        ]
        # At once: the store is given its time to come back.
        with ThreadPoolExecutor() as pool:
            answers = [*pool.map(lambda each: ask(server, key, *each), asked)]
        assert {(answer.status, answer.code) for answer in answers} == {(503, "store-unavailable")}
        assert {answer.headers["retry-after"] for answer in answers} == {"2"}
        assert backend.request("GET", "/health").status == 200

        redis.restart()
        wait_until(lambda: backend.request("GET", "/ready").status == 200, "the service ready again")
        token = backend.log_in("ada")
        assert backend.open(token)["status"] == "active"
        assert token[-64:] not in server.output()


def ask(server: Server, key: str, method: str, path: str, body: Any) -> Answer:
    with Backend(server.port, key) as backend:
        return backend.request(method, path, body)


def test_a_store_that_is_not_there_is_told_at_the_start(tmp_path: Path) -> None:
    store = f"redis://localhost:{find_port()}"
    command = [*COMMAND, "serve", "--store", store, "--keys", str(tmp_path / "k"), "--port", "0"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 3
    assert done.stderr.startswith("Error: ")
