"""A store that is away is a 503, before the handler and after it: never an anonymous session, never a lost cookie."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.http.conftest import RedisSite

REQUESTS = [
    ("GET", "/see/show", None),
    ("POST", "/do/put", {"a": 2}),
    ("POST", "/do/logout", None),
    ("GET", "/session/", None),
    ("POST", "/session/touch", None),
]


def test_a_store_that_is_away_is_a_503_and_the_cookie_stays(redis_site: RedisSite) -> None:
    browser = redis_site.browser()
    token = browser.log_in("ada")
    redis_site.redis.kill()

    # At once: each waits for the store.
    with ThreadPoolExecutor(len(REQUESTS)) as pool:
        twins = [browser.other() for _ in REQUESTS]
        answers = list(pool.map(lambda twin, request: twin(*request), twins, REQUESTS))
    for (method, path, _), answer in zip(REQUESTS, answers, strict=True):
        assert (answer.status, answer.problem) == (503, "store-unavailable"), (method, path)
        assert answer.one("retry-after") == "2"
        assert answer.one("cache-control") == "no-store"
        assert answer.one("set-cookie") is None
        assert b"127.0.0.1" not in answer.body
    assert browser.get("/public").status == (200 if redis_site.site.kind.lazy else 503)
    assert {each.token for each in [browser, *twins]} == {token}
    redis_site.site.server.wait_to_print("edis")


def test_a_browser_without_a_token_is_served_what_needs_no_store(redis_site: RedisSite) -> None:
    redis_site.redis.kill()
    browser = redis_site.browser()

    assert browser.show()["status"] == "none"
    assert browser.post("/do/login", {"user": "ada"}).problem == "store-unavailable"
    assert browser.token == ""


@pytest.mark.parametrize("action", ["put", "login", "logout", "append"])
def test_a_store_that_goes_while_the_handler_works_is_a_503(redis_site: RedisSite, action: str) -> None:
    browser = redis_site.browser()
    token = browser.log_in("ada")
    body = {"put": {"a": 2}, "login": {"user": "eve"}, "append": {"item": "x"}}.get(action)
    with redis_site.site.slow(browser, action, body) as slow:
        redis_site.redis.kill()
        answer = slow.finish()

    assert (answer.status, answer.problem) == (503, "store-unavailable")
    assert answer.one("set-cookie") is None
    assert slow.browser.token == token


def test_a_handler_that_asks_the_manager_in_vain_answers_503_too(redis_site: RedisSite) -> None:
    redis_site.redis.kill()

    assert redis_site.browser().get("/sessions").problem == "store-unavailable"


def test_the_site_is_well_again_as_soon_as_the_store_is(redis_site: RedisSite) -> None:
    browser = redis_site.browser()
    redis_site.redis.kill()
    assert browser.post("/do/put", {"a": 1}).status == 503
    redis_site.redis.restart()

    browser.log_in("ada")
    assert browser.show()["user"] == "ada"


def test_a_store_that_takes_no_writes_still_serves_pages_that_only_read(redis_site: RedisSite) -> None:
    """Activity goes unnoted, and the secret is not renewed; only what a handler changed is a 503."""
    redis, browser = redis_site.redis, redis_site.browser()
    token = browser.log_in("ada")
    redis.ask("REPLICAOF", "127.0.0.1", 1)
    try:
        for seconds in (61, 300):
            redis_site.site.pass_seconds(seconds)
            for answer in (browser.get("/see/show"), browser.get("/session/"), browser.post("/session/touch")):
                assert answer.status == 200
                assert answer.one("set-cookie") is None
            assert browser.show()["user"] == "ada"
        assert browser.post("/do/put", {"a": 2}).problem == "store-unavailable"
        assert browser.post("/do/logout").problem == "store-unavailable"
        redis_site.site.pass_seconds(700)
        assert browser.show()["end_reason"] == "idle_timeout"
        assert browser.token == token
    finally:
        redis.ask("REPLICAOF", "NO", "ONE")
        redis_site.site.pass_seconds(-700)

    redis_site.site.pass_seconds(6)
    assert browser.show()["user"] == "ada"
    assert browser.token != token, "the secret is renewed as soon as it can be written"
    redis_site.site.server.wait_to_print("activity goes unnoted")
