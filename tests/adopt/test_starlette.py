"""From Starlette's signed cookie."""

from __future__ import annotations

from typing import Any

import itsdangerous
from starlette.applications import Starlette
from starlette.middleware.sessions import SessionMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from sojourn.adopt import StarletteCookie
from tests.adopt.site import COOKIE, DAY, NOBODY, Site

SECRET = "the old key"


def old_browser(data: dict[str, Any], secret: str = SECRET) -> dict[str, str]:
    """The cookies of a browser that Starlette's own middleware gave this session."""

    async def fill(request: Any) -> PlainTextResponse:
        request.session.update(data)
        return PlainTextResponse("")

    app = Starlette(routes=[Route("/", fill)])
    app.add_middleware(SessionMiddleware, secret_key=secret)
    client = TestClient(app)
    client.get("/")
    return dict(client.cookies)


def test_a_user_stays_logged_in_and_keeps_the_data() -> None:
    site = Site(StarletteCookie(SECRET, user_key="user_id"))
    browser = site.browser(old_browser({"user_id": 7, "cart": ["tea", {"n": 2.5}], "seen": None}))
    first = browser.get("/me")

    assert first.json() == {
        "user": "7",
        "data": {"user_id": 7, "cart": ["tea", {"n": 2.5}], "seen": None},
        "authenticated_at": 0,
        "end_reason": None,
    }
    assert list(browser.cookies) == [COOKIE]  # the old one is forgotten
    assert browser.get("/me").json() == first.json()
    assert first.headers["cache-control"] == "no-store"
    assert first.headers["vary"] == "Cookie"


def test_a_forged_an_expired_and_another_application_s_cookie_get_nothing() -> None:
    site = Site(StarletteCookie(SECRET, user_key="user_id", max_age=86400))
    good = old_browser({"user_id": "ada"})["session"]
    payload, time, signature = good.split(".")
    others = [
        old_browser({"user_id": "ada"}, "another key")["session"],
        f"{payload}.{time}.{signature[::-1]}",
        f"{payload[:-4]}AAAA.{time}.{signature}",
        f"{payload}.{time}",
        payload,
        "null",
        "",
        "\x01~",
        "." * 5000,
        "sj1-",
    ]

    assert [site.see({"session": value}) for value in others] == [NOBODY] * len(others)
    site.now += DAY + 2000
    assert site.see({"session": good}) == NOBODY
    assert site.kept.scan("", 10) == []


def test_a_signature_that_is_spelled_otherwise_is_no_second_session() -> None:
    site = Site(StarletteCookie(SECRET, user_key="user_id"))
    good = old_browser({"user_id": "ada"})["session"]
    other = good + "!!!!"  # base64 is read leniently
    assert itsdangerous.TimestampSigner(SECRET).validate(other)
    browser = site.browser({"session": good})
    browser.get("/me")
    browser.get("/me")
    site.now += 61_000

    assert site.see({"session": other})["user"] is None
    assert site.told().count("Adopted") == 1


def test_signed_text_that_is_no_session_gets_nothing() -> None:
    """Whoever has the key may sign anything: it is read with the same care."""
    site = Site(StarletteCookie(SECRET, user_key="user_id"))
    signer = itsdangerous.TimestampSigner(SECRET)
    texts = [b"", b"a", b"!!!", b"bm8", b"W10=", b"e30=", b"eyJhIjo=", b"." + b"e30="]

    assert [site.see({"session": signer.sign(text).decode()}) for text in texts] == [NOBODY] * len(texts)


def test_what_is_no_json_stays_behind_and_the_user_stays() -> None:
    site = Site(StarletteCookie(SECRET, user_key="user_id"))
    old = {"user_id": "ada", "nan": float("nan"), "big": 2**70, "lone": "\ud800", "deep": _deep(60), "kept": [1]}

    assert site.see(old_browser(old))["data"] == {"user_id": "ada", "kept": [1]}


def _deep(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value
