"""A traceback, as a reporter of errors sends it with each frame's variables, holds no token."""

from __future__ import annotations

from typing import Any

import pytest

from sojourn import Policy
from sojourn.flask import commit, session
from tests.flask.world import World
from tests.frames import WAYS, require_no_secret, shown


def new_world() -> World:
    world = World(policy=Policy(rotate_interval=60, touch_interval=0), script_readable_tokens=True)

    @world.app.post("/fail")
    def fail() -> Any:
        raise RuntimeError("This handler is broken.")

    @world.app.post("/fail-later")
    def fail_later() -> Any:
        session["n"] = 1
        commit()
        raise RuntimeError("This handler is broken.")

    return world


def shown_by(world: World, way: str) -> tuple[dict[str, str], list[str]]:
    browsers = [world.new_browser() for _ in range(2)]
    for user, browser in zip(("ada", "eve"), browsers, strict=True):
        browser.post(f"/in/{user}")
    return shown(way, *map(world.token, browsers))


def ask(world: World, path: str, headers: dict[str, str]) -> None:
    world.app.test_client(use_cookies=False).post(path, json={"a": 1}, headers=headers)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("path", ["/fail", "/fail-later"])
def test_a_view_that_fails_shows_no_token(way: str, path: str) -> None:
    world = new_world()
    headers, tokens = shown_by(world, way)
    world.now += 61_000
    with pytest.raises(RuntimeError) as raised:
        ask(world, path, headers)

    require_no_secret(raised.value, *tokens)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("call", "path"), [("get", "/put"), ("commit", "/put"), ("create", "/in/bob"), ("end", "/out")]
)
def test_a_store_that_fails_shows_no_token(way: str, call: str, path: str) -> None:
    world = new_world()
    headers, tokens = shown_by(world, way)
    # Of two live ones none counts: there is nothing to commit, and a new one is made.
    world.store.broken = "create" if (way, call) == ("cookies", "commit") else call
    with pytest.raises(RuntimeError) as raised:
        ask(world, path, headers)

    assert require_no_secret(raised.value, *tokens)
