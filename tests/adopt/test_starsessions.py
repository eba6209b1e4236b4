"""From starsessions on Redis."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import starsessions
from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient
from starsessions.stores.redis import RedisStore

from sojourn.adopt import StarsessionsRedis
from tests.adopt.site import COOKIE, NOBODY, Site
from tests.servers.redis import RedisServer


@pytest.fixture
def redis(redis_server: RedisServer) -> Iterator[Redis]:
    redis_server.clear()
    with Redis.from_url(redis_server.url) as client:
        yield client


def old_browser(
    server: RedisServer, data: dict[str, Any], lifetime: int = 3600, rolling: bool = False
) -> dict[str, str]:
    """The cookies of a browser that starsessions gave this session."""

    async def fill(request: Any) -> PlainTextResponse:
        request.session.update(data)
        return PlainTextResponse("")

    app = Starlette(routes=[Route("/", fill)])
    app.add_middleware(starsessions.SessionAutoloadMiddleware)
    store = RedisStore(connection=AsyncRedis.from_url(server.url, single_connection_client=False))
    app.add_middleware(starsessions.SessionMiddleware, store=store, lifetime=lifetime, rolling=rolling)
    with TestClient(app, base_url="https://testserver") as client:
        client.get("/")
        assert client.portal is not None
        client.portal.call(store._connection.aclose)
        return dict(client.cookies)


def test_a_user_stays_logged_in_and_keeps_the_data(redis: Redis, redis_server: RedisServer) -> None:
    old = old_browser(redis_server, {"user": {"id": 7}, "cart": ["tea"]})
    site = Site(StarsessionsRedis(redis_server.url, user_key="user.id"))
    browser = site.browser(old)
    first = browser.get("/me").json()

    assert (first["user"], first["data"]) == ("7", {"user": {"id": 7}, "cart": ["tea"]})
    # Not before the session was begun, so not after it either for all that is asked of a recent log-in.
    assert -10_000 < first["authenticated_at"] - site.now <= 0
    assert list(browser.cookies) == [COOKIE]
    assert browser.get("/me").json()["user"] == "7"
    assert redis.keys() == []


def test_it_ends_when_the_old_one_would_have(redis: Redis, redis_server: RedisServer) -> None:
    for rolling, expected in [(False, 3600), (True, 12 * 3600)]:
        old = old_browser(redis_server, {"user": "ada"}, rolling=rolling)
        site = Site(StarsessionsRedis(redis, user_key="user", rolling=rolling))
        site.see(old)
        [record] = [record for record in site.kept.scan("", 9) if record.user_id]
        assert abs((record.absolute_expires_at - site.now) / 1000 - expected) < 10


def test_a_session_for_the_browser_s_life_is_taken(redis: Redis, redis_server: RedisServer) -> None:
    old = old_browser(redis_server, {"user": "ada"}, lifetime=0)

    assert Site(StarsessionsRedis(redis, user_key="user")).see(old)["user"] == "ada"


def test_an_expired_and_an_unknown_one_get_nothing(redis: Redis, redis_server: RedisServer) -> None:
    old = old_browser(redis_server, {"user": "ada"}, lifetime=60)
    site = Site(StarsessionsRedis(redis, user_key="user"))
    unknown = [{"session": value} for value in ("0" * 32, "", "0" * 31, "0" * 31 + "G", "*" * 32)]
    assert [site.see(cookies) for cookies in unknown] == [NOBODY] * len(unknown)
    site.now += 61_000

    assert site.see(old) == NOBODY


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"null",
        b"[1]",
        b"{",
        b'{"user": "ada"',
        b"\x80\x05.",
        b"[" * 5000,
        b"9" * 5000,
        b'"\xff"',
        b" " * 1_100_000,
    ],
)
def test_hostile_values_are_not_taken(redis: Redis, value: bytes) -> None:
    redis.set("starsessions." + "0" * 32, value)

    assert Site(StarsessionsRedis(redis, user_key="user")).see({"session": "0" * 32}) == NOBODY


@pytest.mark.parametrize(
    "metadata", [None, 1, [], {"created": "x"}, {"created": -1, "lifetime": 1e300}, {"lifetime": True}]
)
def test_metadata_that_makes_no_sense_bounds_nothing(redis: Redis, metadata: object) -> None:
    redis.set("starsessions." + "0" * 32, json.dumps({"user": "ada", "__metadata__": metadata}))

    assert Site(StarsessionsRedis(redis, user_key="user")).see({"session": "0" * 32})["user"] == "ada"
