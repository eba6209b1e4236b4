"""A wrong set-up is told at start: by `manage.py check`, and by the server before it serves."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import django
import pytest
from django.conf import settings
from django.core.checks import CheckMessage, run_checks
from django.test.utils import override_settings

from sojourn import ConfigurationError, Policy
from sojourn.django.checks import check_deployment, check_setup, check_store
from tests.servers.redis import RedisServer

ROOT = Path(__file__).parents[2]
DJANGOS = "django.contrib.sessions.middleware.SessionMiddleware"
OURS = "sojourn.django.SessionMiddleware"


def told(**changed: Any) -> list[str]:
    """What the checks say of the project with other settings: the number, what is wrong, the mend."""
    with override_settings(**changed):
        return [one_line(found) for found in check_setup(None)]


def one_line(found: CheckMessage) -> str:
    return f"{found.id} {found.msg} {found.hint or ''}".strip()


def middleware(change: Callable[[list[str]], list[str]]) -> dict[str, Any]:
    return {"MIDDLEWARE": change(list(settings.MIDDLEWARE))}


def test_a_sound_project_is_told_nothing(ours: None) -> None:
    with override_settings(SESSION_COOKIE_NAME="__Host-session", SESSION_COOKIE_SECURE=True):
        assert [found for found in run_checks() if (found.id or "").startswith("sojourn")] == []
        assert check_store(None) == []
        assert check_deployment(None) == []


def test_without_the_setting(project: Path) -> None:
    (found,) = told(SOJOURN=None)

    assert found.startswith("sojourn.E001 SESSION_ENGINE is 'sojourn.django', so settings need SOJOURN = {'store': ")


@pytest.mark.parametrize(
    ("setting", "wrong"),
    [
        ({"store": "memory:", "idle_timeout": 5}, "SOJOURN has 'idle_timeout', but knows only store, policy, "),
        ({}, "SOJOURN['store'] must be a store's URL"),
        ({"store": "mysql://x"}, "No store has a URL like this one"),
        ({"store": "memory:", "policy": {"idle_timeout": 5}}, "SOJOURN['policy'] must be a sojourn.Policy"),
        ({"store": "shop.manager", "policy": Policy()}, "leave 'policy' away"),
        ({"store": "memory:", "writable": ["_auth_user_id"]}, "keys that begin with _ are Django's own"),
        ({"store": "memory:", "adopt": True}, "SOJOURN['adopt'] must be a sojourn.adopt.Adoption"),
    ],
    ids=["unknown", "empty", "scheme", "policy", "two policies", "writable", "adopt"],
)
def test_a_wrong_setting(project: Path, setting: dict[str, Any], wrong: str) -> None:
    (found,) = told(SOJOURN=setting)

    assert found.startswith("sojourn.E001")
    assert wrong in found


def test_a_missing_extra(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sojourn.django.checks.find_spec", lambda name: None)

    assert told(SOJOURN={"store": "redis://host"}) == [
        "sojourn.E002 SOJOURN['store'] needs the extra `redis`. pip install '.[redis]' in a checkout of Sojourn"
    ]
    assert told(SOJOURN={"store": "postgresql://host/db"}) == [
        "sojourn.E002 SOJOURN['store'] needs the extra `postgres`. pip install '.[postgres]' in a checkout of Sojourn"
    ]


def test_no_middleware_the_wrong_order_and_two_layers(project: Path) -> None:
    without = middleware(lambda names: [name for name in names if name != DJANGOS])
    late = middleware(lambda names: [*[name for name in names if name != DJANGOS], DJANGOS])
    both = middleware(lambda names: [OURS, *names])

    assert told(**without) == [f"sojourn.E003 MIDDLEWARE has no SessionMiddleware. Put {OURS!r} into it."]
    (found,) = told(**late)
    assert found.startswith("sojourn.E003 django.contrib.auth.middleware.AuthenticationMiddleware comes before the ")
    assert found.endswith(f"Put {DJANGOS!r} before it in MIDDLEWARE.")
    assert told(**both) == [
        f"sojourn.E004 MIDDLEWARE has two session layers: {OURS} and {DJANGOS}. Keep {OURS!r} alone."
    ]


def test_a_serializer_that_is_not_json(project: Path) -> None:
    (found,) = told(SESSION_SERIALIZER="pickle.Pickler")

    assert found.startswith("sojourn.E005 Sojourn keeps JSON, and SESSION_SERIALIZER is pickle.Pickler")


def test_a_cookie_that_browsers_refuse(project: Path) -> None:
    host = "__Host-session"

    assert "is not Secure. Set SESSION_COOKIE_SECURE = True" in told(SESSION_COOKIE_NAME=host)[0]
    assert told(SESSION_COOKIE_NAME=host, SESSION_COOKIE_SECURE=True) == []
    assert told(SESSION_COOKIE_NAME=host, SESSION_COOKIE_SECURE=True, SESSION_COOKIE_PATH="/shop")[0].startswith(
        "sojourn.E006 Browsers refuse a cookie named __Host-session with a domain or a path."
    )


def test_a_relative_file(project: Path) -> None:
    (found,) = told(SOJOURN={"store": "sqlite:///sessions.sqlite3"})

    assert found.startswith("sojourn.W002 SOJOURN['store'] is the file sessions.sqlite3 in whichever folder")


def test_another_engine(project: Path) -> None:
    (found,) = told(SESSION_ENGINE="django.contrib.sessions.backends.db")

    assert found.startswith("sojourn.W001 sojourn.django is installed, but sessions are kept by django.contrib")


def test_a_store_that_is_not_ready(project: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("these are no sessions, and long enough to be read as a header of SQLite's")
    with override_settings(SOJOURN={"store": f"sqlite:///{tmp_path / 'notes.txt'}"}):
        (foreign,) = check_store(None)
    with override_settings(SOJOURN={"store": f"sqlite:///{tmp_path / 'missing' / 'sessions.sqlite3'}"}):
        (missing,) = check_store(None)

    assert foreign.id == missing.id == "sojourn.E007"
    assert "does not exist" in missing.msg


def test_before_a_deployment_what_is_weaker_is_told(project: Path) -> None:
    with override_settings(SOJOURN={"store": "memory:"}, SESSION_COOKIE_HTTPONLY=False):
        found = [one_line(one).removeprefix("sojourn.") for one in check_deployment(None)]

    w004, w005, w008, w009, w010 = found
    assert w004 == (
        "W004 With Django's own SessionMiddleware the sessions' secrets are not renewed, so theft goes unnoticed. "
        f"Put {OURS!r} into MIDDLEWARE in its place."
    )
    assert w005 == (
        "W005 Sessions in memory: are lost with the process, and each process has its own. "
        "Give SOJOURN['store'] the URL of a file or a server."
    )
    assert w008 == (
        "W008 The cookie sessionid is sent by plain http too, where anyone on the network can read the token. "
        "Set SESSION_COOKIE_SECURE = True."
    )
    assert w009 == (
        "W009 The cookie sessionid can be read by scripts: one that is injected into a page takes the token. "
        "Leave SESSION_COOKIE_HTTPONLY at True."
    )
    assert w010 == (
        "W010 A cookie named sessionid can be set by any host of this site, and by plain http. "
        "Set SESSION_COOKIE_NAME = '__Host-session'."
    )


def test_before_a_deployment_what_is_weak_in_a_redis_is_told(project: Path, redis_server: RedisServer) -> None:
    def deployment(url: str) -> list[str]:
        with override_settings(SOJOURN={"store": url}):
            return [line for line in map(one_line, check_deployment(None)) if "Redis" in line]

    redis_server.ask("CONFIG", "SET", "maxmemory", "1gb")
    redis_server.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    try:
        (refused,) = deployment(redis_server.url)
        (weak,) = deployment(f"{redis_server.url}?dangerously_allow_eviction=true")
    finally:
        redis_server.ask("CONFIG", "SET", "maxmemory-policy", "noeviction")
        redis_server.ask("CONFIG", "SET", "maxmemory", 0)
    assert refused.startswith(f"sojourn.E008 Redis at {redis_server.address} throws live sessions away")
    assert weak.startswith(f"sojourn.W011 Redis at {redis_server.address} throws live sessions away")
    assert deployment(redis_server.url) == []
    (bound,) = deployment(f"{redis_server.url}?cache=1MiB")
    assert bound.startswith(f"sojourn.W011 Redis at {redis_server.address} keeps without bound")


def test_our_middleware_needs_our_engine(project: Path) -> None:
    from sojourn.django import SessionMiddleware

    with (
        override_settings(SESSION_ENGINE="django.contrib.sessions.backends.db"),
        pytest.raises(ConfigurationError, match="needs SESSION_ENGINE"),
    ):
        SessionMiddleware(lambda request: None)  # type: ignore[arg-type,return-value]


def test_a_server_does_not_start_with_a_wrong_set_up(tmp_path: Path) -> None:
    code = """
from django.conf import settings
settings.configure(SECRET_KEY="x", SESSION_ENGINE="sojourn.django", MIDDLEWARE=["sojourn.django.SessionMiddleware"],
                   SOJOURN={"store": "memory:", "polcy": None})
from django.core.wsgi import get_wsgi_application
get_wsgi_application()
"""
    path = os.pathsep.join(filter(None, [str(ROOT / "src"), os.environ.get("PYTHONPATH")]))
    env = {**os.environ, "PYTHONPATH": path}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=False)

    assert run.returncode == 1
    last = run.stderr.strip().splitlines()[-1]
    assert last.startswith(
        "sojourn.core.errors.ConfigurationError: SOJOURN has 'polcy', but knows only store, policy, "
    )


def test_this_is_the_release_that_was_asked_for() -> None:
    """tests/django/test_django42.py runs this folder on the oldest one, `make pythons` on the newest."""
    locked = (5, 2) if sys.version_info < (3, 12) else (6, 1)
    assert django.VERSION[:2] == ((4, 2) if str(ROOT / ".build" / "django42") in sys.path else locked)


def test_a_cookie_that_is_weaker_than_it_could_be_is_told_before_a_deployment(project: Path) -> None:
    def names(**changed: Any) -> list[str]:
        with override_settings(**changed):
            return [found.id or "" for found in check_deployment(None)]

    strong = {"SESSION_COOKIE_NAME": "__Host-session", "SESSION_COOKIE_SECURE": True, "MIDDLEWARE": [OURS]}
    assert names(**strong) == []
    assert names(**{**strong, "SESSION_COOKIE_NAME": "__Secure-s"}) == []
    assert names(**strong, SESSION_COOKIE_HTTPONLY=False) == ["sojourn.W009"]
    for middleware, more in ((OURS, []), (DJANGOS, ["sojourn.W004"])):
        weak = {"SESSION_COOKIE_NAME": "sessionid", "SESSION_COOKIE_SECURE": False}
        assert names(**weak, MIDDLEWARE=[middleware]) == [*more, "sojourn.W008", "sojourn.W010"]
