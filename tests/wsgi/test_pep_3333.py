"""Every way in which PEP 3333 lets an application answer, with the commit before the first byte."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from io import BytesIO
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment
from wsgiref.util import FileWrapper

import pytest

from sojourn import Policy, SessionCommitted, SessionEnded
from sojourn.wsgi import SessionMiddleware, session_of
from tests.wsgi.world import World, call, new_environ

TEXT = [("Content-Type", "text/plain")]


def shown(world: World) -> Any:
    """What the browser's session holds."""
    return {**world.manager.open(world.browser.cookie)}


def test_an_application_may_start_before_it_changes_the_session() -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", TEXT)
        session_of(environ)["a"] = 1
        return [b"done"]

    world = World(app)

    assert world.browser.get("/").body == b"done"
    assert shown(world) == {"a": 1}


def test_a_generator_may_start_when_it_is_first_asked() -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
        session_of(environ)["a"] = 1
        start_response("200 OK", TEXT)
        session_of(environ)["b"] = 2
        yield b"one, "
        yield b"two"

    world = World(app)

    assert world.browser.get("/").body == b"one, two"
    assert shown(world) == {"a": 1, "b": 2}


def test_a_generator_without_a_body_has_its_headers() -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
        session_of(environ)["a"] = 1
        start_response("204 No Content", [])
        yield from ()

    world = World(app)

    assert call(world.middleware, new_environ("POST", "/"))["set-cookie"]


def test_what_is_written_comes_after_the_headers_and_before_the_body() -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        write = start_response("200 OK", TEXT)
        session_of(environ)["a"] = 1
        write(b"written, ")
        write(b"again, ")
        return [b"returned"]

    world = World(app)

    assert world.browser.get("/").body == b"written, again, returned"
    assert shown(world) == {"a": 1}


def test_an_application_may_start_again_with_an_error_before_the_first_byte() -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", TEXT)
        try:
            int("broken")
        except ValueError:
            start_response("500 Internal Server Error", TEXT, sys.exc_info())
        session_of(environ)["cart"] = []
        return sorry(environ)

    def sorry(environ: WSGIEnvironment) -> Iterator[bytes]:
        session_of(environ)["cart"].append("late")
        yield b"sorry"

    world = World(app)
    answer = world.browser.get("/")

    assert (answer.status, answer.body) == (500, b"sorry")
    # The handler failed: nothing is kept.
    assert world.store.asked == []


def test_an_error_after_the_first_byte_is_the_server_s_to_raise() -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", TEXT)
        yield b"first"
        try:
            int("broken")
        except ValueError:
            start_response("500 Internal Server Error", TEXT, sys.exc_info())

    with pytest.raises(ValueError, match="broken"):
        World(app).browser.get("/")


def test_starting_twice_is_the_mistake_that_servers_say_it_is() -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", TEXT)
        start_response("200 OK", TEXT)
        return []

    with pytest.raises(AssertionError, match="twice"):
        World(app).browser.get("/")


def test_a_body_without_a_start_is_a_mistake_too() -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return [b"no start"]

    middleware = SessionMiddleware(app, World().manager)
    with pytest.raises(AssertionError, match="without calling start_response"):
        call(middleware, new_environ("GET", "/"))


class Closing:
    """A body that notes its close()."""

    def __init__(self, *parts: bytes) -> None:
        self.parts = iter(parts)
        self.closed = 0

    def __iter__(self) -> Iterator[bytes]:
        return self.parts

    def close(self) -> None:
        self.closed += 1


@pytest.mark.parametrize("refused", [False, True])
@pytest.mark.parametrize("how", ["at once", "when asked", "by writing"])
def test_a_body_is_closed_once_also_where_a_problem_takes_its_place(refused: bool, how: str) -> None:
    body = Closing(b"one", b"two")

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if refused:
            world.manager.revoke_all("ada")
            session_of(environ)["a"] = 1
        if how == "when asked":
            body.parts = late(start_response)
        else:
            write = start_response("200 OK", TEXT)
            if how == "by writing":
                write(b"zero")
        return body

    def late(start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", TEXT)
        yield b"one"
        yield b"two"

    world = World()
    world.browser.post("/login/ada")
    middleware = SessionMiddleware(app, world.manager)
    answer = call(middleware, new_environ("GET", "/", http_cookie=f"__Host-session={world.browser.cookie}"))

    assert body.closed == 1
    if refused:
        assert (answer.status, answer.json["end_reason"]) == (401, "revoked")
    else:
        assert answer.body.endswith(b"onetwo")


def test_a_list_and_a_file_go_to_the_server_as_they_are() -> None:
    world = World()

    def given(body: Any) -> Any:
        def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            start_response("200 OK", TEXT)
            result: Iterable[bytes] = body
            return result

        environ = {**new_environ("GET", "/"), "wsgi.file_wrapper": FileWrapper}
        return SessionMiddleware(app, world.manager)(environ, lambda *_: lambda _: None)

    for body in ([b"a list"], (b"a", b"tuple"), FileWrapper(BytesIO(b"a file"))):
        assert given(body) is body


def test_a_change_in_a_streaming_body_is_an_error_that_the_developer_sees() -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", TEXT)
        yield b"first"
        session_of(environ)["late"] = True

    with pytest.raises(SessionCommitted, match="after the response had started"):
        World(app).browser.get("/")


def test_a_change_deep_in_a_value_is_an_error_too() -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
        cart = session_of(environ).setdefault("cart", [])
        start_response("200 OK", TEXT)
        yield b"first"
        cart.append("late")

    world = World(app)
    with pytest.raises(SessionCommitted, match="'cart'"):
        world.browser.get("/")


def test_reading_in_a_streaming_body_is_no_error() -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
        session_of(environ)["cart"] = ["tea"]
        start_response("200 OK", TEXT)
        yield b"first, "
        yield str(session_of(environ)["cart"]).encode()

    assert World(app).browser.get("/").body == b"first, ['tea']"


def test_an_application_that_fails_changes_nothing() -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        session_of(environ)["a"] = 1
        start_response("200 OK", TEXT)
        raise RuntimeError("broken")

    world = World(app)
    with pytest.raises(RuntimeError):
        world.browser.get("/")

    assert world.store.asked == []


@pytest.mark.parametrize("when", ["at once", "when asked"])
def test_an_error_of_ours_that_is_raised_is_answered(when: str) -> None:
    def at_once(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        raise SessionEnded("revoked")

    def when_asked(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
        yield from at_once(environ, start_response)

    answer = World(at_once if when == "at once" else when_asked).browser.get("/")

    assert (answer.status, answer.json["end_reason"]) == (401, "revoked")


def test_an_error_of_ours_after_the_first_byte_is_raised() -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", TEXT)
        yield b"first"
        raise SessionEnded("revoked")

    with pytest.raises(SessionEnded):
        World(app).browser.get("/")


def test_an_error_of_ours_after_a_write_is_raised() -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", TEXT)(b"first")
        raise SessionEnded("revoked")

    with pytest.raises(SessionEnded):
        World(app).browser.get("/")


def test_a_problem_has_no_body_where_only_the_head_was_asked_for() -> None:
    world = World(policy=Policy())
    answer = call(world.middleware, new_environ("HEAD", "/", http_sojourn_transport="bearer"))

    assert (answer.status, answer.body) == (400, b"")
    assert int(answer["content-length"]) > 100
