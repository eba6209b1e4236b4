"""A traceback, as a reporter of errors sends it with each frame's variables, holds no token."""

from __future__ import annotations

from typing import Any
from wsgiref.types import WSGIEnvironment

import pytest

from sojourn import Policy, Session
from sojourn.wsgi import commit
from tests.frames import WAYS, require_no_secret, shown
from tests.wsgi.world import World, new_environ


def fail(session: Session, environ: WSGIEnvironment) -> None:
    raise RuntimeError("This handler is broken.")


def fail_later(session: Session, environ: WSGIEnvironment) -> None:
    session["n"] = 1
    commit(environ)
    raise RuntimeError("This handler is broken.")


def new_world() -> World:
    world = World(policy=Policy(rotate_interval=60, touch_interval=0), script_readable_tokens=True)
    world.views |= {"fail": fail, "fail-later": fail_later}
    return world


def shown_by(world: World, way: str) -> tuple[dict[str, str], list[str]]:
    browsers = [world.new_browser() for _ in range(2)]
    for user, browser in zip(("ada", "eve"), browsers, strict=True):
        browser.post(f"/login/{user}")
    headers, tokens = shown(way, *(browser.cookie for browser in browsers))
    return {f"http_{name.lower().replace('-', '_')}": value for name, value in headers.items()}, tokens


def ask(world: World, path: str, headers: dict[str, str]) -> None:
    # Not through PEP 3333's judges, which have an environ of their own.
    world.middleware(new_environ("POST", path, {"a": 1}, **headers), lambda status, headers, *_: lambda chunk: None)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("path", ["/fail", "/fail-later"])
def test_a_handler_that_fails_shows_no_token(way: str, path: str) -> None:
    world = new_world()
    headers, tokens = shown_by(world, way)
    world.now += 61_000
    with pytest.raises(RuntimeError) as raised:
        ask(world, path, headers)

    assert require_no_secret(raised.value, *tokens)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("call", "path"), [("get", "/put"), ("commit", "/put"), ("create", "/login/bob"), ("end", "/logout")]
)
def test_a_store_that_fails_shows_no_token(way: str, call: str, path: str) -> None:
    world = new_world()
    headers, tokens = shown_by(world, way)
    # Of two live ones none counts: there is nothing to commit, and a new one is made.
    world.store.broken = "create" if (way, call) == ("cookies", "commit") else call
    with pytest.raises(RuntimeError) as raised:
        ask(world, path, headers)

    assert require_no_secret(raised.value, *tokens)


def test_a_server_that_fails_shows_no_token() -> None:
    world = new_world()
    headers, tokens = shown_by(world, "cookie")
    world.now += 61_000

    def start_response(*_: Any) -> Any:
        raise RuntimeError("The browser is gone.")

    with pytest.raises(RuntimeError) as raised:
        world.middleware(new_environ("POST", "/put", {"a": 1}, **headers), start_response)

    assert require_no_secret(raised.value, *tokens)
