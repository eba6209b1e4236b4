"""SessionMiddleware over HTTP: a drop-in for Starlette's, with the commit before the first byte."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from starlette.background import BackgroundTask
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from sojourn import (
    ConfigurationError,
    CookieOptions,
    Policy,
    SessionCommitted,
    SessionConflict,
    SessionLimitReached,
    SessionManager,
)
from sojourn.asgi import BrowserEndpoints, SessionMiddleware, commit, session_of
from sojourn.stores.memory import MemoryStore

from .app import COOKIE, World


def test_nested_changes_are_kept() -> None:
    async def add(request: Any) -> Response:
        request.session.setdefault("cart", {"items": []})["items"].append("tea")
        return PlainTextResponse("added")

    world = World(Route("/add", add, methods=["POST"]))
    for _ in range(2):
        world.browser.post("/add")

    assert world.browser.get("/show").json() == {"cart": {"items": ["tea", "tea"]}}


def test_a_read_is_one_read_and_no_write_and_no_cookie() -> None:
    world = World()
    world.browser.post("/put", json={"a": 1})
    world.store.asked.clear()
    answer = world.browser.get("/show")

    assert world.store.asked == ["get"]
    assert "set-cookie" not in answer.headers
    assert answer.headers["vary"] == "Cookie"


def test_a_request_without_a_cookie_asks_the_store_nothing() -> None:
    world = World()
    answer = world.browser.get("/show")

    assert world.store.asked == []
    assert answer.headers["vary"] == "Cookie"


def test_a_page_that_does_not_look_at_the_session_does_not_vary() -> None:
    world = World()
    world.browser.post("/put", json={"a": 1})

    assert "vary" not in world.browser.get("/plain").headers


def test_what_sets_the_cookie_is_not_cached() -> None:
    async def public(request: Any) -> Response:
        request.session["seen"] = True
        headers = {"cache-control": "public, max-age=60", "vary": "Accept-Encoding"}
        return PlainTextResponse("hello", headers=headers)

    answer = World(Route("/public", public)).browser.get("/public")

    assert answer.headers.get_list("cache-control") == ["no-store"]
    assert answer.headers["vary"] == "Accept-Encoding, Cookie"
    assert answer.headers["set-cookie"].endswith("; Path=/; Secure; HttpOnly; SameSite=Lax")


@pytest.mark.parametrize("said", ["no-store, private, max-age=0", "private, No-Store", "public, max-age=60", "private"])
def test_a_cache_control_that_says_no_store_is_kept_and_any_other_replaced(said: str) -> None:
    async def strict(request: Any) -> Response:
        request.session["seen"] = True
        return PlainTextResponse("hello", headers={"Cache-Control": said})

    told = World(Route("/strict", strict)).browser.get("/strict").headers.get_list("Cache-Control")
    assert told == [said if "store" in said.lower() else "no-store"]


def test_activity_is_written_once_in_a_touch_interval() -> None:
    world = World()
    world.browser.post("/put", json={"a": 1})
    world.store.asked.clear()
    for seconds in (30, 29, 1, 30):
        world.now += seconds * 1000
        world.browser.get("/show")

    assert world.store.asked == ["get", "get", "get", "commit", "get"]


def test_remember_me_keeps_the_cookie_for_the_longer_life() -> None:
    world = World()
    answer = world.browser.post("/login/ada?remember=1")

    assert f"; Max-Age={30 * 86400};" in answer.headers["set-cookie"]
    assert "Max-Age" not in world.new_browser().post("/login/ada").headers["set-cookie"]


def test_a_change_in_a_streaming_body_is_an_error_that_the_developer_sees() -> None:
    async def stream(request: Any) -> Response:
        async def body() -> AsyncIterator[bytes]:
            yield b"first"
            request.session["late"] = True

        return StreamingResponse(body())

    world = World(Route("/stream", stream))
    with pytest.raises(SessionCommitted, match="after the response had started"):
        world.browser.get("/stream")


def test_a_change_in_a_background_task_is_an_error_too_however_deep() -> None:
    async def work(request: Any) -> Response:
        cart = request.session["cart"]
        return PlainTextResponse("ok", background=BackgroundTask(cart.append, "late"))

    world = World(Route("/work", work))
    world.browser.post("/put", json={"cart": []})
    with pytest.raises(SessionCommitted, match="'cart'"):
        world.browser.get("/work")

    assert world.browser.get("/show").json() == {"cart": []}


def test_reading_in_a_background_task_is_no_error() -> None:
    async def work(request: Any) -> Response:
        cart = request.session["cart"]
        cart.append("in time")
        return PlainTextResponse("ok", background=BackgroundTask(lambda: request.session["cart"]))

    world = World(Route("/work", work))
    world.browser.post("/put", json={"cart": []})
    world.browser.get("/work")

    assert world.browser.get("/show").json() == {"cart": ["in time"]}


def test_a_handler_that_fails_changes_nothing() -> None:
    async def fail(request: Any) -> Response:
        request.session["a"] = 2
        raise RuntimeError("broken")

    world = World(Route("/fail", fail))
    world.browser.post("/put", json={"a": 1})
    with pytest.raises(RuntimeError):
        world.browser.get("/fail")

    assert world.browser.get("/show").json() == {"a": 1}


def test_a_write_that_comes_after_the_end_is_told_so_in_place_of_the_answer() -> None:
    async def slow(request: Any) -> Response:
        await world.manager.revoke(request.session.id)
        request.session["late"] = True
        return JSONResponse({"saved": True})

    world = World(Route("/slow", slow, methods=["POST"]))
    world.browser.post("/login/ada")
    answer = world.browser.post("/slow")

    assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json")
    assert answer.json()["type"] == "urn:sojourn:problem:session-ended"
    assert answer.json()["end_reason"] == "revoked"
    assert "set-cookie" not in answer.headers


def test_a_reader_whose_session_ends_meanwhile_gets_its_answer() -> None:
    async def slow(request: Any) -> Response:
        await world.manager.revoke(request.session.id)
        return JSONResponse(dict(request.session))

    world = World(Route("/slow", slow), policy=Policy(touch_interval=0, rotate_interval=0))
    world.browser.post("/put", json={"a": 1})
    world.now += 1
    answer = world.browser.get("/slow")

    assert (answer.status_code, answer.json()) == (200, {"a": 1})
    assert "set-cookie" not in answer.headers


def test_a_log_in_over_the_cap_is_refused() -> None:
    world = World(policy=Policy(max_sessions=1, on_limit="refuse"))
    world.browser.post("/login/ada")
    answer = world.new_browser().post("/login/ada")

    assert answer.status_code == 409
    assert answer.json()["type"] == "urn:sojourn:problem:session-limit"
    assert "set-cookie" not in answer.headers


def test_a_conflict_is_told_where_the_policy_asks_for_it() -> None:
    async def slow(request: Any) -> Response:
        other = await world.manager.open(request.cookies[COOKIE])
        other["a"] = "theirs"
        await world.manager.commit(other)
        request.session["a"] = "mine"
        return PlainTextResponse("saved")

    world = World(Route("/slow", slow, methods=["POST"]), policy=Policy(on_conflict="raise"))
    world.browser.post("/put", json={"a": 1})
    answer = world.browser.post("/slow")

    assert answer.status_code == 409
    assert answer.json()["type"] == "urn:sojourn:problem:session-conflict"
    assert world.browser.get("/show").json() == {"a": "theirs"}


def test_a_handler_that_catches_a_conflict_answers_for_itself_and_overwrites_nothing() -> None:
    async def slow(request: Any) -> Response:
        other = await world.manager.open(request.cookies[COOKIE])
        other["a"] = "theirs"
        await world.manager.commit(other)
        session = session_of(request)
        session["a"] = "mine"
        try:
            await commit(request)
        except SessionConflict:
            return JSONResponse(dict(session), 412)
        raise AssertionError("it was not refused")

    world = World(Route("/slow", slow, methods=["POST"]), policy=Policy(on_conflict="raise"))
    world.browser.post("/put", json={"a": 1})
    answer = world.browser.post("/slow")

    assert (answer.status_code, answer.json()) == (412, {"a": "theirs"})
    assert world.browser.get("/show").json() == {"a": "theirs"}


def test_a_handler_that_catches_the_cap_answers_for_itself() -> None:
    async def careful(request: Any) -> Response:
        session_of(request).login("ada")
        try:
            await commit(request)
        except SessionLimitReached:
            return PlainTextResponse("full", 429)
        return PlainTextResponse(session_of(request).id)

    world = World(Route("/in", careful, methods=["POST"]), policy=Policy(max_sessions=1, on_limit="refuse"))
    assert len(world.browser.post("/in").text) == 32
    answer = world.new_browser().post("/in")

    assert (answer.status_code, answer.text) == (429, "full")
    assert "set-cookie" not in answer.headers


def test_data_over_the_limit_is_told_and_not_kept() -> None:
    world = World(policy=Policy(max_bytes=100))
    world.browser.post("/put", json={"a": 1})
    answer = world.browser.post("/put", json={"a": "x" * 200})

    assert answer.status_code == 413
    assert world.browser.get("/show").json() == {"a": 1}


def test_only_the_log_out_clears_the_cookie() -> None:
    world = World()
    world.browser.post("/login/ada")
    stale = world.new_browser()
    stale.cookies.update(world.browser.cookies)
    cleared = world.browser.post("/logout")

    assert cleared.headers["set-cookie"].startswith(f"{COOKIE}=; Max-Age=0; Path=/")
    for answer in (stale.get("/show"), stale.get("/session/"), stale.get("/show")):
        assert "set-cookie" not in answer.headers


def test_a_log_out_of_nobody_sets_nothing() -> None:
    assert "set-cookie" not in World().browser.post("/logout").headers


def test_traffic_cleans_up_what_is_dead_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(cleanup_interval=60)
    monkeypatch.setattr("sojourn.asgi.middleware.monotonic", lambda: world.now / 1000)
    world.new_browser().post("/login/ada")
    world.browser.post("/put", json={"a": 1})
    with world.browser:
        for _ in range(5):
            world.now += 12 * 3_600_000
            world.browser.post("/login/bob")

    assert world.run(world.manager.stats).expired == 0


def test_lifespan_and_other_scopes_pass_through() -> None:
    world = World()
    with world.browser:
        assert world.browser.get("/plain").status_code == 200


def test_the_bearer_transport_is_refused_unless_it_was_asked_for() -> None:
    answer = World().browser.post("/session/start", headers={"sojourn-transport": "bearer"})

    assert answer.status_code == 400
    assert answer.json()["type"] == "urn:sojourn:problem:bearer-not-enabled"


def test_the_bearer_transport_carries_the_token_in_headers() -> None:
    world = World(script_readable_tokens=True)
    bearer = {"sojourn-transport": "bearer"}
    answer = world.browser.post("/login/ada", headers=bearer)
    token = answer.headers["sojourn-token"]
    authorized = bearer | {"authorization": f"Bearer {token}"}

    assert "set-cookie" not in answer.headers
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["vary"] == "Cookie, Authorization"
    assert world.browser.get("/session/", headers=authorized).json()["user_id"] == "ada"
    assert world.browser.post("/logout", headers=authorized).headers["sojourn-token"] == "none"
    assert world.browser.get("/session/", headers=authorized).json()["end_reason"] == "logout"


def test_two_tokens_at_once_are_refused() -> None:
    world = World(script_readable_tokens=True)
    token = world.browser.post("/login/ada", headers={"sojourn-transport": "bearer"}).headers["sojourn-token"]
    world.browser.post("/login/bob")
    answer = world.browser.get("/show", headers={"authorization": f"Bearer {token}"})

    assert answer.status_code == 400
    assert answer.json()["type"] == "urn:sojourn:problem:ambiguous-token"


def test_another_scheme_of_authorization_is_none_of_ours() -> None:
    world = World(script_readable_tokens=True)
    world.browser.post("/put", json={"a": 1})

    assert world.browser.get("/show", headers={"authorization": "Bearer eyJhbGciOi"}).json() == {"a": 1}


def test_wrong_wiring_is_told() -> None:
    world = World()
    manager: Any = SessionManager(MemoryStore())
    with pytest.raises(ConfigurationError, match="AsyncSessionManager"):
        SessionMiddleware(world.app, manager)
    with pytest.raises(ConfigurationError, match="trusted_origins"):
        SessionMiddleware(world.app, world.manager, trusted_origins=["example.com"])
    with pytest.raises(ConfigurationError, match="not one text"):
        BrowserEndpoints(readable="theme")


def test_a_cookie_without_secure_is_for_those_who_ask_loudly() -> None:
    world = World(cookie=CookieOptions(insecure_http=True))
    set_cookie = world.browser.post("/login/ada").headers["set-cookie"]

    assert set_cookie.startswith("session=sj1-")
    assert "Secure" not in set_cookie


@pytest.mark.parametrize("how", ["kept back", "raised"])
@pytest.mark.parametrize("bearer", [False, True])
def test_a_problem_in_the_answers_place_brings_the_token_of_a_log_in_that_was_committed_before(
    how: str, bearer: bool
) -> None:
    async def handler(request: Any) -> Response:
        request.session.login("ada")
        await commit(request)
        if how == "raised":
            request.session.require_login(level="aal2")
        request.session["large"] = "x" * 40_000
        return Response()

    world = World(Route("/view", handler, methods=["POST"]), script_readable_tokens=True)
    headers = {"sojourn-transport": "bearer"} if bearer else {}
    answer = world.browser.post("/view", headers=headers)

    assert answer.status_code == (401 if how == "raised" else 413)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    token = answer.headers["sojourn-token"] if bearer else world.browser.cookies[COOKIE]
    shown = {"authorization": f"Bearer {token}"} if bearer else {"cookie": f"{COOKIE}={token}"}
    state = world.new_browser().get("/session/", headers=shown | headers).json()
    assert state["user_id"] == "ada"
