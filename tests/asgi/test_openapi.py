"""The OpenAPI description against the running endpoints: schemathesis sends what it allows, and what it does not."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import pytest
import schemathesis
from hypothesis import HealthCheck, assume, settings
from starlette.testclient import TestClient

from sojourn.browser.openapi import openapi

from .app import World

WORLD = World()
schema = schemathesis.openapi.from_dict(openapi() | {"servers": [{"url": "https://testserver/session"}]})
schema.app = WORLD.app


def browser_of(who: str) -> TestClient:
    browser = WORLD.new_browser()
    if who in ("logged in", "ended"):
        browser.post("/login/ada")
    if who == "anonymous":
        browser.post("/session/start")
    if who == "ended":
        WORLD.run(lambda: WORLD.manager.revoke(browser.get("/session/").json()["id"]))
    return browser


@pytest.mark.parametrize("who", ["logged in", "anonymous", "ended", "nobody"])
@schema.exclude(path="/events").parametrize()  # it has no end: tests/live
@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
def test_the_endpoints_are_as_described(case: Any, who: str) -> None:
    # Starlette's own router does not take a path with a line break to any mounted application.
    assume("\n" not in unquote(str((case.path_parameters or {}).get("id", ""))))
    cookies = dict(browser_of(who).cookies)
    case.call_and_validate(cookies=cookies)


def test_every_endpoint_is_described_and_every_description_is_served() -> None:
    described = WORLD.browser.get("/session/openapi.json").json()

    assert described == openapi()
    for path, methods in described["paths"].items():
        for method in methods:
            answer = WORLD.browser.request(method.upper(), f"/session{path.replace('{id}', '0' * 32)}")
            assert answer.status_code not in (404, 405) or path == "/sessions/{id}"
            assert str(answer.status_code) in described["paths"][path][method]["responses"]
