"""From Flask's signed cookie, and from Flask-Session on Redis; users logged in with Flask-Login."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import flask
import flask_login  # type: ignore[import-untyped]
import msgspec
import pytest
from flask_session import Session as FlaskSession  # type: ignore[import-untyped]
from markupsafe import Markup
from redis import Redis
from werkzeug.test import Client as WSGIClient

from sojourn import ConfigurationError, SessionManager, StoreUnavailable, wsgi
from sojourn.adopt import Adoption, FlaskCookie, FlaskSessionRedis
from sojourn.flask import init_app
from sojourn.stores.memory import MemoryStore
from tests.adopt.site import COOKIE, DAY, NOBODY, SOON, Site
from tests.servers.redis import RedisServer

SECRET = "the old key"


class User(flask_login.UserMixin):  # type: ignore[misc]  # its package has no types
    def __init__(self, id: str) -> None:
        self.id = id


def old_app(**config: Any) -> flask.Flask:
    """An application before the move: Flask-Login, and what Flask's sessions hold."""
    app = flask.Flask("old")
    app.secret_key = SECRET
    app.config.update(config)
    flask_login.LoginManager(app).user_loader(User)
    return app


def old_browser(app: flask.Flask, data: dict[str, Any], user: str | None = "7") -> dict[str, str]:
    """The cookies of a browser that this application gave a session."""

    @app.get("/")
    def fill() -> str:
        if user is not None:
            flask_login.login_user(User(user))
        flask.session.update(data)
        return ""

    client = app.test_client()
    client.get("/")
    cookie = client.get_cookie("session")
    assert cookie is not None
    return {"session": cookie.value}


@pytest.fixture
def redis(redis_server: RedisServer) -> Redis:
    redis_server.clear()
    return Redis.from_url(redis_server.url)


# The signed cookie


def test_a_user_of_flask_login_stays_logged_in_and_keeps_the_data() -> None:
    site = Site(FlaskCookie(SECRET))
    browser = site.browser(old_browser(old_app(), {"cart": ["tea"], "n": 1}))
    first = browser.get("/me").json()

    assert (first["user"], first["authenticated_at"]) == ("7", 0)
    assert first["data"].items() >= {"cart": ["tea"], "n": 1, "_user_id": "7", "_fresh": True}.items()
    assert list(browser.cookies) == [COOKIE]
    assert browser.get("/me").json() == first


def test_flask_s_own_types_become_json_or_stay_behind() -> None:
    data = {
        "pair": (1, ("a", [2])),
        "markup": Markup("<b>x</b>"),
        "looks like a mark": {" t": "no"},
        "deep": {"pair": (1,), "kept": {" t": {"x": 1}, "y": 2}},
        "uuid": UUID(int=1),
        "at": datetime(2026, 1, 1, tzinfo=UTC),
        "raw": b"x",
        "inner": [b"x"],
        "_permanent": True,
    }
    site = Site(FlaskCookie(SECRET))

    assert site.see(old_browser(old_app(), data, None))["data"] == {
        "pair": [1, ["a", [2]]],
        "markup": "<b>x</b>",
        "looks like a mark": {" t": "no"},
        "deep": {"pair": [1], "kept": {" t": {"x": 1}, "y": 2}},
    }


def test_a_compressed_cookie_and_one_signed_with_a_fallback_key_are_read() -> None:
    site = Site(FlaskCookie(["a newer key", SECRET]))
    old = old_browser(old_app(), {"text": "long " * 400})

    assert old["session"].startswith(".")
    assert site.see(old)["data"]["text"] == "long " * 400


def test_a_forged_and_an_expired_cookie_get_nothing() -> None:
    good = old_browser(old_app(), {})["session"]
    site = Site(FlaskCookie(SECRET, lifetime=timedelta(days=2)))
    other = old_app()
    other.secret_key = "another key"
    payload, time, signature = good.rsplit(".", 2)
    forged = [
        old_browser(other, {})["session"],
        f"{payload}.{time}.{signature[::-1]}",
        f".{payload}.{time}.{signature}",
        good[:-3],
        "",
    ]

    assert [site.see({"session": value}) for value in forged] == [NOBODY] * len(forged)
    site.now += 2 * DAY + 2000
    assert site.see({"session": good}) == NOBODY


def test_a_cookie_that_would_decompress_without_end_is_not_read() -> None:
    site = Site(FlaskCookie(SECRET))

    assert site.see(old_browser(old_app(), {"zeros": "0" * 2_000_000})) == NOBODY


def test_flask_with_sojourn_s_sessions_takes_them_over(redis: Redis) -> None:
    """The application's own code stays as it was: Flask-Login finds its user."""
    old = old_browser(old_app(), {"cart": ["tea"], "_flashes": [("message", "Hello")]})
    app = old_app()
    manager = SessionManager(MemoryStore())
    init_app(app, manager, adopt=Adoption(FlaskCookie(SECRET), until=SOON))

    @app.get("/me")
    def me() -> dict[str, Any]:
        user = flask_login.current_user
        return {"user": user.get_id(), "cart": flask.session.get("cart"), "flashed": flask.get_flashed_messages()}

    @app.get("/logout")
    def log_out() -> str:
        flask_login.logout_user()
        return ""

    client = app.test_client()
    client.set_cookie("session", old["session"], secure=True)
    answers = [client.get("/me", base_url="https://localhost") for _ in range(2)]

    assert [answer.json["user"] for answer in answers if answer.json] == ["7", "7"]
    assert [answer.json["cart"] for answer in answers if answer.json] == [["tea"], ["tea"]]
    assert [answer.json["flashed"] for answer in answers if answer.json] == [["Hello"], []]
    assert [info.user_id for info in manager.list("7")] == ["7"]
    client.get("/logout", base_url="https://localhost")
    thief = app.test_client()
    thief.set_cookie("session", old["session"])
    answer = thief.get("/me", base_url="https://localhost")
    assert answer.json
    assert answer.json["user"] is None


def test_a_wsgi_application_takes_them_over_too() -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [str(wsgi.session_of(environ).user_id).encode()]

    adoption = Adoption(FlaskCookie(SECRET), until=SOON)
    client = WSGIClient(wsgi.SessionMiddleware(app, SessionManager(MemoryStore()), adopt=adoption))
    client.set_cookie("session", old_browser(old_app(), {})["session"])
    first = client.get("/", base_url="https://localhost")
    set_cookies = first.headers.get_all("Set-Cookie")

    assert (first.text, client.get("/", base_url="https://localhost").text) == ("7", "7")
    assert [value.partition("=")[0] for value in set_cookies] == [COOKIE, "session"]
    assert client.get_cookie("session") is None


# Flask-Session


@pytest.fixture
def session_app(redis: Redis) -> Callable[..., flask.Flask]:
    def make(**config: Any) -> flask.Flask:
        app = old_app(SESSION_TYPE="redis", SESSION_REDIS=redis, **config)
        FlaskSession(app)
        return app

    return make


def test_a_session_of_flask_session_is_taken_and_deleted(
    session_app: Callable[..., flask.Flask], redis: Redis, redis_server: RedisServer
) -> None:
    old = old_browser(session_app(), {"cart": ["tea", {"n": 1.5}], "raw": b"x"})
    site = Site(FlaskSessionRedis(redis_server.url))
    browser = site.browser(old)
    first = browser.get("/me").json()

    assert first["user"] == "7"
    assert first["data"]["cart"] == ["tea", {"n": 1.5}]
    assert not {"raw", "_permanent"} & set(first["data"])
    assert browser.get("/me").json() == first
    assert redis.keys() == []
    site.now += 61_000
    assert site.see(old)["user"] is None


@pytest.mark.parametrize("config", [{"SESSION_SERIALIZATION_FORMAT": "json"}, {"SESSION_KEY_PREFIX": "x:"}])
def test_its_other_settings_are_read_too(
    session_app: Callable[..., flask.Flask], redis: Redis, config: dict[str, Any]
) -> None:
    old = old_browser(session_app(**config), {"a": 1})
    site = Site(FlaskSessionRedis(redis, key_prefix=config.get("SESSION_KEY_PREFIX", "session:")))

    assert site.see(old)["data"]["a"] == 1


@pytest.mark.filterwarnings("ignore:The 'use_signer' option:DeprecationWarning")
def test_signed_ids_are_read_where_the_key_is_given(session_app: Callable[..., flask.Flask], redis: Redis) -> None:
    old = old_browser(session_app(SESSION_USE_SIGNER=True), {"a": 1})
    sid = old["session"].rpartition(".")[0]
    site = Site(FlaskSessionRedis(redis, secret_key=SECRET))

    assert site.see({"session": sid}) == NOBODY
    assert site.see({"session": sid + ".AAAA"}) == NOBODY
    assert site.see(old)["user"] == "7"


class Bomb:
    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.file,)


@pytest.mark.parametrize("protocol", range(6))
def test_a_pickle_is_never_loaded(redis: Redis, tmp_path: Path, protocol: int) -> None:
    sid = "a" * 43
    redis.set(f"session:{sid}", pickle.dumps({"_user_id": "ada", "bomb": Bomb(tmp_path / "hit")}, protocol))
    site = Site(FlaskSessionRedis(redis))

    assert site.see({"session": sid}) == NOBODY
    assert not (tmp_path / "hit").exists()


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"\xc1",
        msgspec.msgpack.encode([1]),
        msgspec.msgpack.encode({"_user_id": "ada"}) + b"x",
        b"\x91" * 10_000 + b"\xc0",  # lists in lists
        b"\xdf\xff\xff\xff\xff",  # a map of four billion
        b"\x81\x90\x01",  # a list for a key
        b"x" * 1_100_000,
    ],
)
def test_hostile_values_are_not_taken(redis: Redis, value: bytes) -> None:
    sid = "a" * 43
    redis.set(f"session:{sid}", value)

    assert Site(FlaskSessionRedis(redis)).see({"session": sid}) == NOBODY


@pytest.mark.parametrize("sid", ["", "short", "a" * 300, "a" * 40 + "*", "../" * 10, "a" * 20 + "\n"])
def test_what_is_no_id_is_not_looked_up(redis: Redis, sid: str) -> None:
    layer = FlaskSessionRedis(redis)

    assert layer.verify(sid, 0) is None


def test_a_redis_that_is_away_is_an_outage() -> None:
    layer = FlaskSessionRedis("redis://127.0.0.1:9")

    assert Site(layer).browser({"session": "a" * 43}).get("/me").status_code == 503
    with pytest.raises(StoreUnavailable):
        layer.retire("a" * 43)


def test_a_client_that_decodes_and_one_that_is_asyncio_s_are_told_so(redis_server: RedisServer) -> None:
    from redis.asyncio import Redis as AsyncRedis

    decoding = Redis.from_url(redis_server.url, decode_responses=True)
    decoding.set("session:" + "a" * 43, "x")
    with pytest.raises(ConfigurationError, match="decode_responses"):
        FlaskSessionRedis(decoding).read("a" * 43, 0)
    with pytest.raises(ConfigurationError, match="not asyncio's"):
        FlaskSessionRedis(AsyncRedis.from_url(redis_server.url))  # type: ignore[arg-type]
    decoding.close()
