"""`flask.session` is a Sojourn session: what Flask's documentation says of it, and what Sojourn says."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import flask
import pytest
from flask import Flask, Response, flash, get_flashed_messages, redirect, stream_with_context
from markupsafe import Markup

from sojourn import (
    ConfigurationError,
    InvalidData,
    Lifetime,
    Policy,
    Session,
    SessionCommitted,
    SessionConflict,
    SessionEnded,
    SessionLimitReached,
    SojournError,
    StoreUnavailable,
)
from sojourn.flask import FlaskSession, commit, manager_of, session
from tests.flask.world import COOKIE, World


def test_flask_s_session_is_ours() -> None:
    with World().app.test_request_context():
        assert isinstance(flask.session, Session)
        assert isinstance(session, FlaskSession)
        assert isinstance(flask.session, flask.sessions.SessionMixin)


def test_nested_changes_are_kept() -> None:
    world = World()

    @world.app.post("/add")
    def add() -> Any:
        flask.session.setdefault("cart", {"items": []})["items"].append("tea")
        return {}

    for _ in range(2):
        world.browser.post("/add")

    assert world.browser.get("/show").json == {"cart": {"items": ["tea", "tea"]}}


def test_a_read_is_one_read_and_no_write_and_no_cookie() -> None:
    world = World()
    world.browser.post("/put", json={"a": 1})
    world.store.asked.clear()
    answer = world.browser.get("/show")

    assert world.store.asked == ["get"]
    assert "Set-Cookie" not in answer.headers
    assert answer.headers["Vary"] == "Cookie"


def test_a_page_that_does_not_look_at_the_session_does_not_vary() -> None:
    world = World()
    world.browser.post("/put", json={"a": 1})

    assert "Vary" not in world.browser.get("/plain").headers


LOOKS: dict[str, Callable[[Any], Any]] = {
    "len": len,
    "bool": bool,
    "list": list,
    "in": lambda session: "a" in session,
    "get": lambda session: session.get("a"),
    "permanent": lambda session: session.permanent,
    "new": lambda session: session.new,
}


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_any_look_at_the_session_varies(look: Callable[[Any], Any]) -> None:
    """CVE-2023-30861 and CVE-2026-27205: an answer that depends on the session, kept by a cache for everybody."""
    world = World()

    @world.app.get("/look")
    def view() -> Any:
        look(flask.session)
        return Response("seen", headers={"Vary": "Accept-Encoding", "Cache-Control": "public"})

    world.browser.post("/put", json={"a": 1})
    answer = world.browser.get("/look")

    assert answer.headers["Vary"] == "Accept-Encoding, Cookie"


def test_what_sets_the_cookie_is_not_cached() -> None:
    world = World()

    @world.app.get("/public")
    def public() -> Any:
        session["seen"] = True
        return Response("hello", headers={"Cache-Control": "public, max-age=60", "Vary": "Accept-Encoding"})

    answer = world.browser.get("/public")

    assert answer.headers.getlist("Cache-Control") == ["no-store"]
    assert answer.headers["Vary"] == "Accept-Encoding, Cookie"
    assert answer.headers["Set-Cookie"].startswith(f"{COOKIE}=sj1-")
    assert answer.headers["Set-Cookie"].endswith("; Path=/; Secure; HttpOnly; SameSite=Lax")


@pytest.mark.parametrize("said", ["no-store, private, max-age=0", "private, No-Store", "public, max-age=60", "private"])
def test_a_cache_control_that_says_no_store_is_kept_and_any_other_replaced(said: str) -> None:
    world = World()

    @world.app.get("/strict")
    def strict() -> Any:
        session["seen"] = True
        return Response("hello", headers={"Cache-Control": said})

    told = world.browser.get("/strict").headers.getlist("Cache-Control")
    assert told == [said if "store" in said.lower() else "no-store"]


def test_a_log_in_makes_a_new_id_and_a_log_out_is_final() -> None:
    world = World()
    world.browser.post("/put", json={"cart": ["tea"]})
    planted = world.token()
    world.browser.post("/in/ada")
    mine = world.token()

    assert mine[:36] != planted[:36]
    assert world.browser.get("/show").json == {"cart": ["tea"]}
    assert "Max-Age=0" in world.browser.post("/out").headers["Set-Cookie"]
    for token in (planted, mine):
        assert world.new_browser(token).get("/show").json == {}


def test_the_manager_lists_and_revokes() -> None:
    world = World()
    here, elsewhere = world.browser, world.new_browser()
    here.post("/in/ada", headers={"User-Agent": "Here/1"})
    elsewhere.post("/in/ada", headers={"User-Agent": "There/1"})
    manager = manager_of(world.app)

    assert {each.user_agent for each in manager.list("ada")} == {"Here/1", "There/1"}
    assert manager.revoke_all("ada", keep=manager.open(world.token()).id) == 1
    assert len(manager.list("ada")) == 1


def test_a_view_can_commit_and_learn_the_new_id() -> None:
    world = World()

    @world.app.post("/here")
    def here() -> Any:
        session.login("ada")
        commit()
        return {"id": session.id}

    assert world.browser.post("/here").json == {"id": world.manager.list("ada")[0].id}


def test_permanent_is_remember_by_its_flask_name() -> None:
    policy = Policy(remember=Lifetime(idle_timeout=86400, absolute_timeout=10 * 86400))
    world = World(policy=policy)

    @world.app.post("/before")
    def before() -> Any:
        session.permanent = True
        session.login("ada")
        return {}

    @world.app.post("/after")
    def after() -> Any:
        session.login("bob")
        session.permanent = True
        return {}

    @world.app.get("/permanent")
    def permanent() -> Any:
        return {"permanent": flask.session.permanent}

    for path in ("/before", "/after"):
        browser = world.new_browser()
        assert browser.get("/permanent").json == {"permanent": False}
        assert "; Max-Age=864000;" in browser.post(path).headers["Set-Cookie"]
        assert browser.get("/permanent").json == {"permanent": True}


def test_permanent_alone_makes_no_session_for_every_visitor() -> None:
    world = World()

    @world.app.before_request
    def always() -> None:
        flask.session.permanent = True

    world.browser.get("/plain")
    assert world.store.asked == []


def test_permanent_where_the_policy_refuses_it_is_told() -> None:
    world = World(policy=Policy(remember=None))

    @world.app.post("/permanent")
    def permanent() -> Any:
        session.permanent = True
        session.login("ada")
        return {}

    with pytest.raises(ConfigurationError, match="Policy"):
        world.browser.post("/permanent")


def test_new_and_modified_say_what_they_say() -> None:
    world = World()

    @world.app.get("/state")
    def state() -> Any:
        before = [flask.session.new, flask.session.modified]
        flask.session.setdefault("cart", []).append("tea")
        flask.session.modified = True
        return {"said": [*before, flask.session.new, flask.session.modified]}

    assert world.browser.get("/state").json == {"said": [True, False, True, True]}
    assert world.browser.get("/state").json == {"said": [False, False, False, True]}


def test_to_clear_is_to_log_out_as_with_flask_s_own_cookie() -> None:
    world = World(user_key="user_id")

    @world.app.post("/tutorial/<int:user>")
    def tutorial(user: int) -> Any:
        flask.session.clear()
        flask.session["user_id"] = user
        return {}

    @world.app.post("/clear")
    def clear() -> Any:
        flask.session.clear()
        return {}

    world.browser.post("/put", json={"cart": ["tea"]})
    planted = world.token()
    world.browser.post("/tutorial/7")
    mine = world.token()

    assert world.browser.get("/show").json == {"user_id": 7}
    assert [each.id for each in world.manager.list("7")] == [world.manager.open(mine).id]
    assert "Max-Age=0" in world.browser.post("/clear").headers["Set-Cookie"]
    assert [world.manager.open(token).end_reason for token in (planted, mine)] == ["logout", "logout"]


def test_a_user_key_that_is_removed_or_emptied_is_a_log_out() -> None:
    world = World(user_key="user")

    @world.app.post("/be/<name>")
    def be(name: str) -> Any:
        flask.session["user"] = name
        return {}

    @world.app.post("/pop")
    def pop() -> Any:
        return {"was": flask.session.pop("user", None)}

    @world.app.post("/empty")
    def empty() -> Any:
        flask.session["user"] = None
        return {}

    for path in ("/pop", "/empty"):
        browser = world.new_browser()
        browser.post("/be/ada")
        token = world.token(browser)
        assert world.manager.open(token).user_id == "ada"
        browser.post(path)
        assert world.manager.open(token).end_reason == "logout"
    assert world.new_browser().post("/empty").status_code == 200


# Flash messages


def test_flash_messages_are_as_flask_says_without_a_secret_key() -> None:
    world = World()

    @world.app.post("/flash")
    def say() -> Any:
        flash("plain")
        flash(Markup("<b>bold</b>"), "warning")
        return redirect("/flashed")

    @world.app.get("/flashed")
    def flashed() -> Any:
        found = get_flashed_messages(with_categories=True)
        assert found == get_flashed_messages(with_categories=True)
        return {"repr": repr(found)}

    assert world.app.secret_key is None
    world.browser.post("/flash")
    assert world.browser.get("/flashed").json == {
        "repr": repr([("message", "plain"), ("warning", Markup("<b>bold</b>"))])
    }
    assert world.browser.get("/flashed").json == {"repr": "[]"}


def test_messages_that_are_flashed_at_once_are_all_shown() -> None:
    world = World()
    barrier = threading.Barrier(2)

    @world.app.post("/flash/<text>")
    def say(text: str) -> Any:
        barrier.wait(10)
        flash(text)
        return {}

    @world.app.get("/flashed")
    def flashed() -> Any:
        return sorted(get_flashed_messages())

    world.browser.post("/put", json={"a": 1})
    token = world.token()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda text: world.new_browser(token).post(f"/flash/{text}"), ["one", "two"]))

    assert world.browser.get("/flashed").json == ["one", "two"]


# Flask's test client


def test_a_session_transaction_reads_and_writes() -> None:
    world = World()
    with world.browser.session_transaction() as transaction:
        transaction["cart"] = {"tea": 1}
    with world.browser.session_transaction() as transaction:
        transaction["cart"]["cup"] = 2

    assert world.browser.get("/show").json == {"cart": {"tea": 1, "cup": 2}}
    world.browser.post("/in/ada")
    with world.browser.session_transaction() as transaction:
        assert isinstance(transaction, FlaskSession)
        assert transaction.user_id == "ada"
        transaction.logout()
    assert world.browser.get("/show").json == {}


def test_a_client_in_a_with_block_keeps_the_session_to_look_at() -> None:
    world = World()
    with world.browser as browser:
        browser.post("/put", json={"a": 1})
        assert flask.session["a"] == 1


def test_a_value_that_json_cannot_hold_is_told_in_the_test() -> None:
    world = World()
    with pytest.raises(InvalidData, match="total_seconds"), world.browser.session_transaction() as transaction:
        transaction["a"] = timedelta(1)


# What a commit refuses


def test_what_a_commit_refuses_is_a_problem_in_place_of_the_answer() -> None:
    world = World(policy=Policy(max_sessions=1, on_limit="refuse"))

    @world.app.after_request
    def add_headers(response: Response) -> Response:
        response.set_cookie("remember", "ada")
        response.headers["Access-Control-Allow-Origin"] = "https://app.example"
        return response

    world.browser.post("/in/ada")
    answer = world.new_browser().post("/in/ada")

    assert (answer.status_code, answer.content_type) == (409, "application/problem+json")
    assert answer.get_json(force=True)["type"] == "urn:sojourn:problem:session-limit"
    assert "Set-Cookie" not in answer.headers
    assert answer.headers["Access-Control-Allow-Origin"] == "https://app.example"
    assert int(answer.headers["Content-Length"]) == len(answer.data)


def test_the_application_s_own_error_handler_may_answer_and_flash() -> None:
    world = World()

    @world.app.errorhandler(SessionEnded)
    def ended(error: SessionEnded) -> Any:
        flash(f"Ended: {error.reason}")
        return redirect("/login")

    @world.app.post("/late")
    def late() -> Any:
        world.manager.revoke_all("ada")
        session["a"] = 1
        return {}

    @world.app.get("/login")
    def login() -> Any:
        return get_flashed_messages()

    world.browser.post("/in/ada")
    answer = world.browser.post("/late", follow_redirects=True)

    assert answer.json == ["Ended: revoked"]


def test_a_handler_that_does_it_again_gets_a_plain_problem() -> None:
    world = World(policy=Policy(max_bytes=100))

    @world.app.errorhandler(SojournError)
    def again(error: SojournError) -> Any:
        session["b"] = "b" * 200
        return "own"

    answer = world.browser.post("/put", json={"a": "a" * 200})

    assert (answer.status_code, answer.content_type) == (413, "application/problem+json")


def test_an_error_handler_from_before_init_app_stays() -> None:
    app = Flask(__name__)
    app.register_error_handler(SojournError, lambda error: (str(type(error).__name__), 418))
    world = World(app, policy=Policy(max_bytes=100))

    assert world.browser.post("/put", json={"a": "a" * 200}).status_code == 418


def test_our_errors_in_a_view_are_answered() -> None:
    world = World()

    @world.app.get("/conflict")
    def conflict() -> Any:
        raise SessionConflict(("a",))

    assert world.browser.get("/conflict").status_code == 409


def test_a_mistake_in_the_code_is_raised_not_answered() -> None:
    world = World()

    @world.app.post("/wrong")
    def wrong() -> Any:
        session["a"] = {1, 2}
        return {}

    with pytest.raises(InvalidData, match="a sorted list"):
        world.browser.post("/wrong")
    world.app.testing = False
    assert world.browser.post("/wrong").status_code == 500


def test_a_store_that_is_away_is_a_503_before_anything_of_the_application_runs() -> None:
    app = Flask(__name__)
    ran: list[str] = []
    app.before_request(lambda: ran.append("before"))
    world = World(app)
    world.browser.post("/in/ada")
    ran.clear()

    def away(id: str) -> Any:
        raise StoreUnavailable("the store at db.internal is away")

    world.store.get = away  # type: ignore[method-assign]
    answer = world.browser.get("/show")

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    assert ran == []
    assert b"db.internal" not in answer.data
    assert world.browser.get("/nothing").status_code == 503


def test_a_view_that_fails_changes_nothing() -> None:
    world = World()
    world.app.testing = False

    @world.app.post("/fail")
    def fail() -> Any:
        session["a"] = 2
        raise RuntimeError("broken")

    world.browser.post("/put", json={"a": 1})

    assert world.browser.post("/fail").status_code == 500
    assert world.browser.get("/show").json == {"a": 1}


# Streams


def test_a_stream_may_read_and_not_change() -> None:
    world = World()

    @world.app.get("/stream")
    def stream() -> Any:
        def parts() -> Iterator[str]:
            yield str(flask.session["a"])
            flask.session["late"] = True

        return Response(stream_with_context(parts()))

    world.browser.post("/put", json={"a": 1})
    with pytest.raises(SessionCommitted):
        world.browser.get("/stream", buffered=True)


def test_a_change_deep_in_a_value_while_streaming_is_an_error_too() -> None:
    world = World()

    @world.app.get("/stream")
    def stream() -> Any:
        cart = flask.session["cart"]

        def parts() -> Iterator[str]:
            yield "first"
            cart.append("late")

        return Response(parts())

    world.browser.post("/put", json={"cart": []})
    with pytest.raises(SessionCommitted, match="'cart'"):
        world.browser.get("/stream", buffered=True)
    assert world.browser.get("/show").json == {"cart": []}


# Threads and event loops


def test_an_async_view_has_its_session() -> None:
    world = World()

    @world.app.post("/later")
    async def later() -> Any:
        await asyncio.sleep(0)
        flask.session.setdefault("cart", []).append("tea")
        return {"user": session.user_id}

    world.browser.post("/in/ada")
    assert world.browser.post("/later").json == {"user": "ada"}
    assert world.browser.get("/show").json == {"cart": ["tea"]}


def test_many_threads_lose_nothing() -> None:
    world = World()

    @world.app.post("/add/<key>")
    def add(key: str) -> Any:
        session[key] = 1
        session.increment("n")
        return {}

    world.browser.post("/put", json={"n": 0})
    token = world.token()
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda n: world.new_browser(token).post(f"/add/key{n}"), range(50)))
    shown = world.browser.get("/show").get_json()

    assert (len(shown), shown["n"]) == (51, 50)


def test_two_applications_in_one_process_keep_apart() -> None:
    one, other = World(), World()

    @one.app.post("/show")
    def through() -> Any:
        # A view may answer with another application, in the same environ.
        session["through"] = True
        return other.app

    one.browser.post("/put", json={"mine": 1})

    assert other.new_browser(one.token()).get("/show").json == {}
    assert manager_of(one.app) is not manager_of(other.app)
    assert one.browser.post("/show").status_code == 405
    assert one.browser.get("/show").json == {"mine": 1, "through": True}


def test_limits_are_errors_that_a_view_can_handle() -> None:
    world = World(policy=Policy(max_sessions=1, on_limit="refuse"))

    @world.app.post("/careful")
    def careful() -> Any:
        session.login("ada")
        try:
            commit()
        except SessionLimitReached as error:
            return {"limit": error.limit}
        return {}

    world.browser.post("/in/ada")
    assert world.new_browser().post("/careful").json == {"limit": 1}


# What a request set before its log-out, and what a test sees after it


def test_a_log_out_drops_what_was_loaded_and_keeps_what_the_request_says_to_the_next_page() -> None:
    world = World()

    @world.app.post("/leave")
    def leave() -> Any:
        flask.flash("Good bye.")
        flask.session["xsrf"] = "clear"
        flask.session["cart"].append("cup")
        session.increment("n")
        flask.session.pop("_user_id")
        return {}

    @world.app.get("/next")
    def following() -> Any:
        return {"flashes": flask.get_flashed_messages(), "data": session.copy()}

    world.browser.post("/put", json={"cart": ["tea"], "xsrf": "set", "_user_id": "ada", "n": 1})
    old = world.token()
    world.browser.post("/leave")

    assert world.token() not in ("", old)
    assert world.browser.get("/next").json == {"flashes": ["Good bye."], "data": {"xsrf": "clear"}}
    assert world.manager.open(old).end_reason == "logout"


def test_to_clear_drops_what_the_request_set_too() -> None:
    world = World()

    @world.app.post("/clear")
    def clear() -> Any:
        flask.session["a"] = 1
        flask.session.clear()
        return {}

    world.browser.post("/put", json={"b": 1})
    world.browser.post("/clear")

    assert world.browser.get("/show").json == {}


def test_a_log_in_and_log_out_in_one_request_leave_nothing_of_the_log_in() -> None:
    world = World()

    @world.app.post("/both")
    def both() -> Any:
        flask.session.update({"_user_id": "ada", "_fresh": True, "_id": "x"})
        flask.session.pop("_user_id")
        return {}

    world.browser.post("/both")

    assert world.token() == ""


def test_a_session_that_is_committed_and_left_in_one_request_is_not_given_to_the_browser() -> None:
    world = World()

    @world.app.post("/made-and-left")
    def made_and_left() -> Any:
        session.login("ada")
        commit()
        session.logout()
        return {}

    answer = world.browser.post("/made-and-left")

    assert "Set-Cookie" not in answer.headers
    assert world.browser.get("/show").json == {}


def test_flashes_can_be_looked_at_after_the_request() -> None:
    world = World()

    @world.app.get("/flash")
    def flash() -> Any:
        flask.flash("Hello")
        return {}

    with world.browser as browser:
        browser.get("/flash")
        assert flask.get_flashed_messages() == ["Hello"]
        assert flask.session.modified


def test_a_change_can_be_taken_back() -> None:
    world = World()

    @world.app.get("/undone")
    def undone() -> Any:
        flask.session["a"] = 2
        flask.session["b"].append(1)
        flask.session.modified = False
        return {"modified": flask.session.modified, "a": flask.session["a"]}

    world.browser.post("/put", json={"a": 1, "b": []})

    assert world.browser.get("/undone").json == {"modified": False, "a": 1}
    assert world.browser.get("/show").json == {"a": 1, "b": []}
