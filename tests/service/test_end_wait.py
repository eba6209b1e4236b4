"""GET /v1/sessions/{id}/end: a back end waits for the end of a session, and is told of it within a second."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.server import Server
from tests.servers.waiting import wait_until
from tests.service.backend import Backend, make_key, start
from tests.service.test_metrics import scrape


def test_who_waits_is_told_of_a_revocation_while_he_waits(backend: Backend, service: Server, key: str) -> None:
    token = backend.log_in("ada")
    id = backend.open(token)["session"]["id"]
    with ThreadPoolExecutor(1) as pool, Backend(service.port, key) as other:
        began = time.monotonic()
        waiting = pool.submit(other.request, "GET", f"/v1/sessions/{id}/end?wait=60")
        assert backend.request("DELETE", f"/v1/sessions/{id}").json == {"ended": 1}
        told = waiting.result(30).json

    assert (told["ended"], told["end_reason"], told["expires_at"]) == (True, "revoked", None)
    # Far from the minute that was asked for.
    assert time.monotonic() - began < 30


def test_who_waits_for_a_session_that_lives_is_told_until_when(backend: Backend) -> None:
    session = backend.open(backend.log_in("ada"))["session"]
    told = backend.request("GET", f"/v1/sessions/{session['id']}/end?wait=1").json

    assert (told["ended"], told["end_reason"], told["expires_at"]) == (False, None, session["expires_at"])


def test_a_session_that_is_over_or_is_none_is_told_at_once(backend: Backend) -> None:
    token = backend.log_in("ada")
    id = backend.open(token)["session"]["id"]
    backend.commit(token, action={"type": "logout"})
    for each, reason in ((id, "logout"), ("0" * 32, None)):
        told = backend.request("GET", f"/v1/sessions/{each}/end?wait=60").json
        assert (told["ended"], told["end_reason"]) == (True, reason)


def test_who_waits_and_who_listens_are_counted_and_hold_up_no_service_that_stops(tmp_path: Path) -> None:
    keys, config = tmp_path / "keys.json", tmp_path / "sojourn.toml"
    key = make_key(keys, "sessions", "metrics")
    config.write_text(
        f"""
        store = "sqlite:///{tmp_path}/sessions.sqlite3"
        keys = "{keys}"
        metrics = true
        [browser]
        """
    )
    with start(tmp_path, "--config", str(config)) as service, Backend(service.port, key) as backend:
        token = backend.log_in("ada")
        session = backend.open(token)["session"]
        waiting, listening = (HTTPConnection("127.0.0.1", service.port, timeout=30) for _ in range(2))
        waiting.request("GET", f"/v1/sessions/{session['id']}/end?wait=60", headers={"Authorization": f"Bearer {key}"})
        listening.request("GET", "/session/events", headers={"Cookie": f"__Host-session={token}"})
        events = listening.getresponse()
        wait_until(lambda: scrape(service, key)["sojourn_streams"] == 2, "both")
        service.process.terminate()
        # One that is cut off after the ten seconds is never read to its end.
        told, state = json.loads(waiting.getresponse().read()), events.read()
        waiting.close()
        listening.close()
        service.process.wait(30)
        assert "graceful shutdown exceeded" not in service.output()

    assert (told["ended"], told["expires_at"]) == (False, session["expires_at"])
    assert state.count(b"event: state") == 1


@pytest.mark.parametrize("query", ["wait=0", "wait=61", "wait=1.5", "wait=x", "wait=1&wait=2", "until=1"])
def test_a_wait_that_is_none_is_refused(backend: Backend, query: str) -> None:
    answer = backend.request("GET", f"/v1/sessions/{'0' * 32}/end?{query}")

    assert (answer.status, answer.code) == (400, "invalid-body")


def test_nobody_waits_without_a_key(backend: Backend) -> None:
    answer = backend.request("GET", f"/v1/sessions/{'0' * 32}/end", headers={"authorization": None})

    assert (answer.status, answer.code) == (401, "api-key-required")
