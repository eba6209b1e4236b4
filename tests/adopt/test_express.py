"""From express-session with connect-redis, run by Node."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from sojourn.adopt import ExpressSessionRedis
from tests.adopt.site import COOKIE, NOBODY, Site
from tests.servers.redis import RedisServer

ROOT = Path(__file__).parents[2]
MODULES = ROOT / "benchmarks/express"
SECRETS = ["the old key", "a newer key"]


@pytest.fixture
def redis(redis_server: RedisServer) -> Iterator[Redis]:
    redis_server.clear()
    with Redis.from_url(redis_server.url) as client:
        yield client


def old_browser(server: RedisServer, data: dict[str, Any], max_age: int | None = 3_600_000) -> dict[str, str]:
    """The cookies of a browser that express-session gave this session."""
    if not (MODULES / "node_modules/express-session").exists():
        pytest.fail("express-session is missing: run `npm ci` in benchmarks/express.")
    node = Path(sys.executable).with_name("node")
    command = [str(node), str(Path(__file__).with_name("express.mjs")), server.url, json.dumps(data)]
    arguments = ["null" if max_age is None else str(max_age), str(MODULES)]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=30, check=True)
    name, _, value = done.stdout.strip().partition("=")
    return {name: value}


def test_a_user_of_passport_stays_logged_in_and_keeps_the_data(redis: Redis, redis_server: RedisServer) -> None:
    old = old_browser(redis_server, {"passport": {"user": 7}, "cart": ["tea"], "flash": {}})
    site = Site(ExpressSessionRedis(redis_server.url, secret=SECRETS, user_key="passport.user"))
    browser = site.browser(old)
    first = browser.get("/me").json()

    assert first == {
        "user": "7",
        "data": {"passport": {"user": 7}, "cart": ["tea"], "flash": {}},
        "authenticated_at": 0,
        "end_reason": None,
    }
    assert list(browser.cookies) == [COOKIE]
    assert browser.get("/me").json() == first
    assert redis.keys() == []


def test_a_forged_an_expired_and_an_unknown_one_get_nothing(redis: Redis, redis_server: RedisServer) -> None:
    good = old_browser(redis_server, {"user": "ada"}, None)["connect.sid"]
    site = Site(ExpressSessionRedis(redis, secret="a newer key", user_key="user"))
    sid = good.removeprefix("s%3A").partition(".")[0]
    forged = [
        sid,
        f"s%3A{sid}",
        f"s%3A{sid}.",
        f"s%3A{sid}.AAAA",
        f"j%3A{good}",
        good[:-1],
        "s%3A." + "A" * 43,
        "%ff%00",
        "",
    ]

    assert [site.see({"connect.sid": value}) for value in forged] == [NOBODY] * len(forged)
    assert Site(ExpressSessionRedis(redis, secret="another", user_key="user")).see({"connect.sid": good}) == NOBODY
    # Redis has forgotten what expired; a value that says so is not taken either.
    record = json.loads(redis.get(f"sess:{sid}") or b"")
    for expires in ("2020-01-01T00:00:00.000Z", "2020-01-01T00:00:00", "no date"):
        redis.set(f"sess:{sid}", json.dumps({**record, "cookie": {"expires": expires}}))
        assert site.see({"connect.sid": good}) == NOBODY
    redis.set(f"sess:{sid}", json.dumps(record))
    assert site.see({"connect.sid": good})["user"] == "ada"
    assert redis.keys() == []


@pytest.mark.parametrize("cookie", [None, 1, [], {"expires": None}, {"expires": 5}])
def test_what_the_cookie_s_settings_leave_open_is_no_end(redis: Redis, cookie: object) -> None:
    site = Site(ExpressSessionRedis(redis, secret="key", user_key="user"))
    redis.set("sess:" + "a" * 32, json.dumps({"user": "ada", "cookie": cookie}))
    # By cookie-signature's page: HMAC-SHA256 in base64 without padding.
    from sojourn.adopt.express import _signature

    value = f"s%3A{'a' * 32}.{_signature('a' * 32, b'key').decode().replace('+', '%2B').replace('/', '%2F')}"
    assert site.see({"connect.sid": value})["data"] == {"user": "ada"}
