"""SessionMiddleware for WSGI: the same promises as for ASGI, with threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from wsgiref.types import WSGIEnvironment

import pytest

from sojourn import (
    AsyncSessionManager,
    ConfigurationError,
    CookieOptions,
    InvalidData,
    Policy,
    Session,
    SessionLimitReached,
    StoreUnavailable,
)
from sojourn.core.events import UnknownToken
from sojourn.stores.memory import AsyncMemoryStore
from sojourn.wsgi import SessionMiddleware, commit, session_of
from tests.counting_store import CountingStore
from tests.wsgi.world import COOKIE, World, call, new_environ


def test_nested_changes_are_kept() -> None:
    world = World()
    world.views["add"] = lambda session, _: session.setdefault("cart", {"items": []})["items"].append("tea")
    for _ in range(2):
        world.browser.post("/add")

    assert world.browser.get("/show").json == {"cart": {"items": ["tea", "tea"]}}


def test_a_read_is_one_read_and_no_write_and_no_cookie() -> None:
    world = World()
    world.browser.post("/put", {"a": 1})
    world.store.asked.clear()
    answer = world.browser.get("/show")

    assert world.store.asked == ["get"]
    assert answer["set-cookie"] is None
    assert answer["vary"] == "Cookie"


def test_a_request_without_a_cookie_asks_the_store_nothing() -> None:
    world = World()

    assert world.browser.get("/show")["vary"] == "Cookie"
    assert world.store.asked == []


def test_a_page_that_does_not_look_at_the_session_does_not_vary() -> None:
    world = World()
    world.browser.post("/put", {"a": 1})

    assert world.browser.get("/plain")["vary"] is None


def test_what_sets_the_cookie_is_not_cached() -> None:
    world = World()
    world.headers += [("Cache-Control", "public, max-age=60"), ("Vary", "Accept-Encoding")]
    answer = world.browser.post("/put", {"a": 1})

    assert [value for name, value in answer.headers if name == "cache-control"] == ["no-store"]
    assert answer["vary"] == "Accept-Encoding, Cookie"
    assert answer["set-cookie"].startswith(f"{COOKIE}=sj1-")
    assert answer["set-cookie"].endswith("; Path=/; Secure; HttpOnly; SameSite=Lax")


@pytest.mark.parametrize("said", ["no-store, private, max-age=0", "private, No-Store", "public, max-age=60", "private"])
def test_a_cache_control_that_says_no_store_is_kept_and_any_other_replaced(said: str) -> None:
    world = World()
    world.headers.append(("Cache-Control", said))
    answer = world.browser.post("/put", {"a": 1})

    told = [value for name, value in answer.headers if name == "cache-control"]
    assert told == [said if "store" in said.lower() else "no-store"]


@pytest.mark.parametrize(("vary", "told"), [("*", "*"), ("cookie", "cookie"), ("X-Cookie", "X-Cookie, Cookie")])
def test_vary_is_put_right_and_no_more(vary: str, told: str) -> None:
    world = World()
    world.headers.append(("vary", vary))

    assert world.browser.get("/show")["vary"] == told


def test_a_log_in_makes_a_new_id_and_a_log_out_is_final() -> None:
    world = World()
    world.browser.post("/put", {"cart": ["tea"]})
    planted = world.browser.cookie
    world.browser.post("/login/ada")
    first = world.browser.cookie

    assert first[:36] != planted[:36]
    assert world.browser.get("/show").json == {"cart": ["tea"]}
    assert "Max-Age=0" in world.browser.post("/logout")["set-cookie"]
    for token in (planted, first):
        world.browser.cookie = token
        assert world.browser.get("/show").json == {}


def test_the_session_knows_who_asked_first() -> None:
    world = World()
    world.browser.post("/login/ada")
    (mine,) = world.manager.list("ada")

    assert (mine.ip, mine.user_agent) == ("203.0.113.7", "Test/1")


def test_a_handler_can_commit_and_learn_the_new_id() -> None:
    def here(session: Session, environ: WSGIEnvironment) -> object:
        session.login("ada")
        commit(environ)
        return session.id

    world = World()
    world.views["here"] = here

    assert world.browser.post("/here").json == world.manager.list("ada")[0].id


def test_what_a_commit_refuses_is_a_problem_in_place_of_the_answer() -> None:
    world = World(policy=Policy(max_sessions=1, on_limit="refuse"))
    world.browser.post("/login/ada")
    answer = world.new_browser().post("/login/ada")

    assert (answer.status, answer["content-type"]) == (409, "application/problem+json")
    assert answer.json["type"] == "urn:sojourn:problem:session-limit"
    assert answer["set-cookie"] is None


@pytest.mark.parametrize("how", ["kept back", "raised"])
def test_a_problem_in_the_answers_place_brings_the_token_of_a_log_in_that_was_committed_before(how: str) -> None:
    def view(session: Session, environ: WSGIEnvironment) -> object:
        session.login("ada")
        commit(environ)
        if how == "raised":
            session.require_login(level="aal2")
        session["large"] = "x" * 40_000
        return {}

    world = World()
    world.views["view"] = view
    world.browser.post("/put", {"cart": ["tea"]})
    anonymous = world.browser.cookie
    answer = world.browser.post("/view")

    assert answer.status == (401 if how == "raised" else 413)
    assert [name for name, _ in answer.headers].count("set-cookie") == 1
    assert answer["cache-control"] == "no-store"
    assert world.browser.cookie != anonymous
    assert world.browser.get("/show").json == {"cart": ["tea"]}


def test_a_handler_may_catch_what_its_own_commit_raises() -> None:
    def careful(session: Session, environ: WSGIEnvironment) -> object:
        session.login("ada")
        try:
            commit(environ)
        except SessionLimitReached as error:
            return error.limit
        return None

    world = World(policy=Policy(max_sessions=1, on_limit="refuse"))
    world.views["careful"] = careful
    world.browser.post("/login/ada")

    assert world.new_browser().post("/careful").json == 1


def test_a_session_that_ended_meanwhile_refuses_the_write() -> None:
    world = World()
    world.browser.post("/login/ada")

    def late(session: Session, environ: WSGIEnvironment) -> object:
        world.manager.revoke_all("ada")
        session["a"] = 1
        return None

    world.views["late"] = late
    answer = world.browser.post("/late")

    assert (answer.status, answer.json["end_reason"]) == (401, "revoked")


def test_a_mistake_in_the_code_is_raised_not_answered() -> None:
    world = World()
    world.views["wrong"] = lambda session, _: session.update(a={1, 2})

    with pytest.raises(InvalidData, match="a sorted list"):
        world.browser.post("/wrong")


@pytest.mark.parametrize("name", ["session", "__Host-session", "__secure-shop"])
def test_a_cookie_s_name_without_a_prefix_is_told_at_start(name: str, caplog: pytest.LogCaptureFixture) -> None:
    World(cookie=CookieOptions(name=name))

    told = [record.getMessage() for record in caplog.records if record.name == "sojourn"]
    assert [line.partition(":")[0] for line in told] == (
        ["The session's cookie is named session"] if name == "session" else []
    )


class Broken(CountingStore):
    """A store that does not answer."""

    def get(self, id: str) -> Any:
        raise StoreUnavailable("the store at db.internal is away")


def test_a_store_that_is_away_is_a_503_and_never_an_anonymous_visitor(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    world.browser.post("/login/ada")
    world.manager._store = Broken()
    answer = world.browser.get("/show")

    assert (answer.status, answer["retry-after"]) == (503, "2")
    assert answer.json["type"] == "urn:sojourn:problem:store-unavailable"
    assert b"db.internal" not in answer.body
    assert "db.internal" in caplog.text


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"http_sec_fetch_site": "cross-site"}, 403),
        ({"http_sec_fetch_site": "same-site"}, 403),
        ({"http_origin": "https://evil.example", "http_host": "shop.example"}, 403),
        ({"http_origin": "null"}, 403),
        ({"http_sec_fetch_site": "same-origin"}, 200),
        ({"http_origin": "https://shop.example", "http_host": "shop.example"}, 200),
        ({"http_sec_fetch_site": "cross-site", "http_origin": "https://app.example"}, 200),
        ({}, 200),
    ],
)
def test_an_unsafe_request_from_another_origin_is_refused(headers: dict[str, str], status: int) -> None:
    world = World(trusted_origins=["https://app.example"])

    assert world.browser.post("/put", {"a": 1}, **headers).status == status
    assert len(world.store.asked) == (status == 200)


def test_a_safe_request_from_another_origin_is_served() -> None:
    assert World().browser.get("/show", http_sec_fetch_site="cross-site").status == 200


def test_of_two_live_cookies_none_counts() -> None:
    world = World()
    world.browser.post("/login/ada")
    mine = world.browser.cookie
    other = world.new_browser()
    other.post("/login/bob")
    world.store.asked.clear()
    answer = world.browser.get("/show", http_cookie=f"{COOKIE}={mine}; {COOKIE}={other.cookie}")

    assert answer.json == {}
    assert isinstance(world.events[-1], UnknownToken)
    assert world.events[-1].cause == "ambiguous"


def test_a_script_s_token_is_refused_unless_it_is_allowed() -> None:
    def ask(world: World) -> Any:
        return world.browser.post("/login/ada", http_sojourn_transport="bearer")

    refused, allowed = World(), World(script_readable_tokens=True)

    assert (ask(refused).status, refused.store.asked) == (400, [])
    token = ask(allowed)["sojourn-token"]
    allowed.browser.cookie = ""
    answer = allowed.browser.get("/show", http_authorization=f"Bearer {token}", http_sec_fetch_site="cross-site")
    assert (answer.status, answer["vary"]) == (200, "Cookie, Authorization")


def test_many_threads_lose_nothing() -> None:
    world = World()
    world.views["add"] = lambda session, environ: session.update({environ["PATH_INFO"]: 1, "n": session.increment("n")})
    world.browser.post("/put", {"n": 0})
    token = world.browser.cookie

    def add(number: int) -> int:
        browser = world.new_browser()
        browser.cookie = token
        return browser.post(f"/add/{number}").status

    with ThreadPoolExecutor(16) as pool:
        statuses = set(pool.map(add, range(50)))

    assert statuses == {200}
    shown = world.browser.get("/show").json
    assert len([key for key in shown if key.startswith("/add")]) == 50


def test_no_session_crosses_to_another_request() -> None:
    world = World()
    world.views["who"] = lambda session, _: session.user_id

    def visit(number: int) -> bool:
        browser = world.new_browser()
        browser.post(f"/login/user{number}")
        return all(browser.get("/who").json == f"user{number}" for _ in range(3))

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(visit, range(200)))


# Clean-up


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time that a clean-up goes by."""
    now = [100.0]
    monkeypatch.setattr("sojourn.exchange.monotonic", lambda: now[0])
    return now


def test_clean_up_is_driven_by_traffic_in_a_thread_of_its_own(clock: list[float]) -> None:
    """And by no clock that somebody can put back."""
    world = World(cleanup_interval=60)
    threads: list[str] = []
    world.manager.delete_expired = lambda **_: threads.append(threading.current_thread().name) or 0  # type: ignore[method-assign,func-returns-value]
    for minutes in (0, 0, 2, 2):
        clock[0] += minutes * 60
        world.now -= 3_600_000
        world.browser.get("/show")
    wait_for(lambda: len(threads) == 2)

    assert threads == ["sojourn-cleanup"] * 2


def test_clean_up_can_be_left_to_something_else(clock: list[float]) -> None:
    world = World(cleanup_interval=None)
    world.manager.delete_expired = lambda **_: pytest.fail("cleaned")  # type: ignore[method-assign]
    before = threading.active_count()
    for _ in range(3):
        clock[0] += 10**9
        world.browser.get("/show")

    assert threading.active_count() == before


def test_a_store_that_is_away_puts_clean_up_off(clock: list[float], caplog: pytest.LogCaptureFixture) -> None:
    def away(**_: object) -> int:
        raise StoreUnavailable("away")

    world = World(cleanup_interval=60)
    world.manager.delete_expired = away  # type: ignore[method-assign,assignment]
    world.browser.get("/show")
    clock[0] += 120
    world.browser.get("/show")
    wait_for(lambda: "clean-up was put off" in caplog.text)


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


# Set-up


def test_a_manager_for_event_loops_is_told_at_once() -> None:
    world = World()
    manager: Any = AsyncSessionManager(AsyncMemoryStore())

    with pytest.raises(ConfigurationError, match="AsyncSessionManager, and threads need a SessionManager"):
        SessionMiddleware(world.app, manager)


def test_what_is_no_manager_is_told_at_once() -> None:
    world = World()
    store: Any = world.store

    with pytest.raises(ConfigurationError, match="of type CountingStore"):
        SessionMiddleware(world.app, store)


def test_a_session_outside_the_middleware_is_told_with_the_mend() -> None:
    with pytest.raises(ConfigurationError, match=r"SessionMiddleware\(app, manager\)"):
        session_of(new_environ("GET", "/"))


def test_one_layer_inside_another_is_told_unless_it_has_its_own_cookie() -> None:
    world = World()
    twice = SessionMiddleware(world.middleware, world.manager)
    with pytest.raises(ConfigurationError, match="one inside the other"):
        call(twice, new_environ("GET", "/show"))

    both = SessionMiddleware(world.middleware, World().manager, cookie=CookieOptions(name="other"))
    assert call(both, new_environ("GET", "/show")).status == 200


def test_the_cookie_can_be_another() -> None:
    world = World(cookie=CookieOptions(name="mine", insecure_http=True))

    assert world.browser.post("/put", {"a": 1})["set-cookie"].startswith("mine=sj1-")
