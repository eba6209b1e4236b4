"""A traceback, as a reporter of errors sends it with each frame's variables, holds no token."""

from __future__ import annotations

from typing import Any
from wsgiref.types import WSGIEnvironment

import pytest

from sojourn import Policy, Session
from sojourn.wsgi import commit
from tests.frames import require_no_secret
from tests.wsgi.world import COOKIE, World, new_environ

WAYS = ["cookie", "cookies", "of one session", "bearer"]


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


def shown(world: World, way: str) -> tuple[dict[str, str], list[str]]:
    """Headers that show a session, or two, and the tokens in them."""
    tokens = []
    for user in ("ada", "eve"):
        browser = world.new_browser()
        browser.post(f"/login/{user}")
        tokens.append(browser.cookie)
    if way == "bearer":
        return {"http_authorization": f"Bearer {tokens[0]}", "http_sojourn_transport": "bearer"}, tokens[:1]
    if way == "of one session":
        tokens[1] = tokens[0][:-64] + "0123456789abcdef" * 4
    tokens = tokens[:1] if way == "cookie" else tokens
    return {"http_cookie": "; ".join(f"{COOKIE}={token}" for token in tokens)}, tokens


def ask(world: World, path: str, headers: dict[str, str]) -> None:
    # Not through PEP 3333's judges, which have an environ of their own.
    world.middleware(new_environ("POST", path, {"a": 1}, **headers), lambda status, headers, *_: lambda chunk: None)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("path", ["/fail", "/fail-later"])
def test_a_handler_that_fails_shows_no_token(way: str, path: str) -> None:
    world = new_world()
    headers, tokens = shown(world, way)
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
    headers, tokens = shown(world, way)
    # Of two live ones none counts: there is nothing to commit, and a new one is made.
    world.store.broken = "create" if (way, call) == ("cookies", "commit") else call
    with pytest.raises(RuntimeError) as raised:
        ask(world, path, headers)

    assert require_no_secret(raised.value, *tokens)


def test_a_server_that_fails_shows_no_token() -> None:
    world = new_world()
    headers, tokens = shown(world, "cookie")
    world.now += 61_000

    def start_response(*_: Any) -> Any:
        raise RuntimeError("The browser is gone.")

    with pytest.raises(RuntimeError) as raised:
        world.middleware(new_environ("POST", "/put", {"a": 1}, **headers), start_response)

    assert require_no_secret(raised.value, *tokens)
