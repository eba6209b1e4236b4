"""docs/operations.md: what it says to do is done here, as far as that can be without systemd or Docker running."""

from __future__ import annotations

import json
import os
import re
import shlex
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
import yaml

from sojourn import Policy, SessionEnded, SessionManager, open_store
from sojourn.cli.program import program
from tests.cli.program import Program
from tests.server import run_server
from tests.servers.port import find_port
from tests.servers.redis import RedisServer, find_redis
from tests.test_docs import ROOT
from tests.unit.clock import Clock

from .clean import Clean, environment

DEPLOY = ROOT / "examples" / "deploy"
PAGE = (ROOT / "docs" / "operations.md").read_text("utf-8")
DOCKERFILE = (DEPLOY / "Dockerfile").read_text("utf-8")
COMPOSE = yaml.safe_load((DEPLOY / "compose.yml").read_text("utf-8"))["services"]


def test_after_a_restore_log_outs_come_back_until_all_are_ended(tmp_path: Path) -> None:
    here, copy = tmp_path / "sessions.db", tmp_path / "copy.db"
    with closing(SessionManager(open_store(f"sqlite:///{here}"))) as manager:
        visitor = manager.anonymous()
        visitor.login("ada")
        made = manager.commit(visitor).token
        assert made is not None
        token = made.reveal()
        with closing(sqlite3.connect(here)) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target)  # what `.backup` does
        leaving = manager.open(token)
        leaving.logout()
        manager.commit(leaving)
        assert manager.open(token).end_reason == "logout"

    for file in tmp_path.glob("sessions.db*"):
        file.unlink()
    copy.chmod(0o600)
    copy.rename(here)
    with closing(SessionManager(open_store(f"sqlite:///{here}"))) as manager:
        assert manager.open(token).user_id == "ada"
        under_way = manager.anonymous()
        under_way.login("ada")

        [command] = re.findall(r"^sojourn (revoke --all.*)$", PAGE, re.MULTILINE)
        words = shlex.split(command.replace("/var/lib/sojourn/sessions.db", str(here)))
        done = Program(tmp_path)(*words)
        assert done.code == 0, done.err

        assert manager.open(token).end_reason == "revoked"
        with pytest.raises(SessionEnded, match="revoked"):
            manager.commit(under_way)


def test_a_secret_that_was_renewed_since_the_backup_is_taken_for_a_thief_s(tmp_path: Path) -> None:
    """As is said of a restore: the store has never heard of what the browser holds."""
    here, clock = tmp_path / "sessions.db", Clock()
    with closing(SessionManager(open_store(f"sqlite:///{here}"), Policy(rotate_interval=600), clock=clock)) as manager:
        visitor = manager.anonymous()
        visitor.login("ada")
        first = manager.commit(visitor).token
        assert first is not None
        with closing(sqlite3.connect(here)) as source, closing(sqlite3.connect(tmp_path / "copy.db")) as target:
            source.backup(target)
        clock.forward(700_000)
        renewed = manager.commit(manager.open(first.reveal())).token
        assert renewed is not None
        manager.commit(manager.open(renewed.reveal()))

    for file in tmp_path.glob("sessions.db*"):
        file.unlink()
    (tmp_path / "copy.db").chmod(0o600)
    (tmp_path / "copy.db").rename(here)
    with closing(SessionManager(open_store(f"sqlite:///{here}"), Policy(rotate_interval=600), clock=clock)) as manager:
        assert manager.open(renewed.reveal()).end_reason == "token_reuse"


def test_systemd_takes_the_unit_and_finds_it_little_exposed(tmp_path: Path) -> None:
    unit = tmp_path / "sojourn.service"
    program = Path(sys.executable).with_name("sojourn")
    unit.write_text((DEPLOY / "sojourn.service").read_text("utf-8").replace("/opt/sojourn/bin/sojourn", str(program)))
    for words in (["verify"], ["security", "--offline=true", "--threshold=20"]):
        done = subprocess.run(["systemd-analyze", *words, unit], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stderr == ""


def test_the_unit_s_settings_start_a_service_that_stops_within_its_time(tmp_path: Path) -> None:
    settings = tmp_path / "sojourn.toml"
    told = (DEPLOY / "sojourn.toml").read_text("utf-8")
    port = find_port()
    told = told.replace('uds = "/run/sojourn/service.sock"', f"port = {port}")
    settings.write_text(told.replace("/var/lib/sojourn", str(tmp_path)))
    command = [sys.executable, "-m", "sojourn", "serve", "--config", str(settings)]
    with run_server(command, tmp_path / "log", path="/ready", port=port) as server:
        server.process.terminate()
        assert server.process.wait(15) == 0  # TimeoutStopSec


def test_the_image_s_packages_program_and_health_check_work_with_the_compose_file_s_settings(
    clean: Clean, tmp_path: Path
) -> None:
    [installed] = re.findall(r"pip install '(\..*)'$", DOCKERFILE, re.MULTILINE)
    python = clean.python(f"pip install '{installed}'")
    [command] = [json.loads(words) for words in re.findall(r"^CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)]
    [check] = [json.loads(words) for words in re.findall(r"^HEALTHCHECK .* CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)]
    [image] = re.findall(r"^ENV (.*)$", DOCKERFILE, re.MULTILINE)
    given = dict(pair.split("=", 1) for pair in image.split()) | COMPOSE["sojourn"]["environment"]
    program, *options = COMPOSE["redis"]["command"]
    assert program == "redis-server"

    with RedisServer(tmp_path / "redis", find_redis(), options) as redis:
        url = given["SOJOURN_STORE"]
        assert url.startswith("redis://redis/0")
        given |= {
            "SOJOURN_STORE": url.replace("redis://redis/0", redis.url),
            "SOJOURN_KEYS": str(tmp_path / "keys.json"),
            "PATH": f"{python.parent}:{os.environ['PATH']}",
        }
        port = find_port()
        words = [str(python.with_name(command[0])), *(str(port) if word == "8100" else word for word in command[1:])]
        healthy = [str(python), *(word.replace("8100", str(port)) for word in check[1:])]
        env = environment(python, **given)
        with run_server(words, tmp_path / "log", path="/ready", env=env, port=port) as server:
            assert subprocess.run(healthy, check=False).returncode == 0
            assert "weak" not in server.output()
        assert subprocess.run(healthy, capture_output=True, check=False).returncode != 0


def test_the_containers_set_what_the_service_knows() -> None:
    known = {str(option.envvar) for option in program.commands["serve"].params if getattr(option, "envvar", None)}
    [image] = re.findall(r"^ENV (.*)$", DOCKERFILE, re.MULTILINE)
    named = {pair.split("=", 1)[0] for pair in image.split()} | set(COMPOSE["sojourn"]["environment"])

    assert named - {"PATH"} <= known


def test_each_alert_has_a_row_that_says_what_to_look_at() -> None:
    alerts = yaml.safe_load((ROOT / "examples/monitoring/alerts.yml").read_text("utf-8"))
    named = [rule["alert"] for group in alerts["groups"] for rule in group["rules"]]

    assert re.findall(r"^\| `(Sojourn\w+)` \|", PAGE, re.MULTILINE) == named
