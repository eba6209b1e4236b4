"""docs/migrating.md does what it says: its adoptions, run on sessions of the real packages."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from flask_session import Session as FlaskSession  # type: ignore[import-untyped]
from redis import Redis

from sojourn.adopt import Adoption
from tests.adopt import test_express, test_flask, test_starlette, test_starsessions
from tests.adopt.site import COOKIE, SOON, Site
from tests.servers.redis import RedisServer
from tests.test_docs import ROOT, blocks

PAGE = ROOT / "docs/migrating.md"


@pytest.fixture
def names(redis_server: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the page's blocks leave behind, on this test's Redis and with a day that is still to come."""
    monkeypatch.chdir(tmp_path)
    redis_server.clear()
    names: dict[str, Any] = {"__name__": "page"}
    for block in blocks(PAGE, "python"):
        code = block.code.replace("redis://localhost:6379/0", redis_server.url)
        exec(re.sub(r"date\(2\d+, \d+, \d+\)", repr(SOON).removeprefix("datetime."), code), names)
    return names


@pytest.mark.parametrize("layer", ["starlette", "flask", "flask_session", "starsessions", "express"])
def test_the_page_s_adoptions_keep_users_signed_in(
    layer: str, names: dict[str, Any], redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, data = names["SECRET_KEY"], {"cart": ["tea"]}
    if layer == "starlette":
        old = test_starlette.old_browser({"user_id": 7, **data}, key)
    elif layer.startswith("flask"):
        app = test_flask.old_app(SESSION_TYPE="redis", SESSION_REDIS=Redis.from_url(redis_server.url))
        app.secret_key = key
        if layer == "flask_session":
            FlaskSession(app)
        old = test_flask.old_browser(app, data)
    elif layer == "starsessions":
        old = test_starsessions.old_browser(redis_server, {"user_id": 7, **data})
    else:
        monkeypatch.setenv("OLD_SECRET", key)
        old = test_express.old_browser(redis_server, {"passport": {"user": 7}, **data})
    adoption: Adoption = names[f"from_{layer}"]
    site = Site(*adoption.layers)
    browser = site.browser(old)
    answers = [browser.get("/me").json() for _ in range(2)]

    assert [(answer["user"], answer["data"]["cart"]) for answer in answers] == [("7", ["tea"])] * 2
    assert list(browser.cookies) == [COOKIE]


def test_the_page_names_every_layer() -> None:
    from sojourn import adopt

    layers = {name for name in adopt.__all__ if hasattr(getattr(adopt, name), "kind")} - {"Layer"}
    text = PAGE.read_text("utf-8")

    assert layers == set(re.findall(r"^\| \[.*\| `(\w+)` \|", text, re.MULTILINE))
