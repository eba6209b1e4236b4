"""Cookies that Chromium binds to a key of its own, at a site over a session service.

adapters/tests/test_device.py has what holds for each language.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from playwright.async_api import BrowserContext, Playwright

from adapters.tests import aspnetcore_site
from adapters.tests.aspnetcore_site import DOTNETS
from adapters.tests.express_site import Express
from adapters.tests.php_site import Php
from adapters.tests.session_service import SessionService
from adapters.tests.visitor import COOKIE, Visitor
from tests.servers.nginx import NginxServer
from tests.servers.port import find_port

from .conftest import installed
from .device import start_device
from .test_dbsc import Tab, cookies, lose_bound_cookie

DO = "([path, steps]) => fetch(path, {method: 'POST', body: JSON.stringify({do: steps})}).then((it) => it.json())"
STATUS = "() => fetch('/?ask=' + encodeURIComponent('{\"do\":[[\"facts\"]]}')).then((answer) => answer.status)"
FACTS = ["facts"]
START: Mapping[str, Callable[[Path, Mapping[str, str]], Any]] = {
    "express": Express,
    "php": lambda folder, environment: Php(folder, "built-in", environment, workers=2),
    # The newest, which is built by its compiler alone.
    "aspnetcore": lambda folder, environment: aspnetcore_site.Site(folder, DOTNETS[-1], "tests", environment),
}
KINDS = [kind for kind in START if kind != "aspnetcore" or DOTNETS]


@dataclass
class Place:
    """An origin: Express, below /php and /aspnetcore the other sites, and below /session the service's own endpoints.

    `asked` is what was asked of it so far.
    """

    url: str
    port: int
    service: int
    _asked: Path

    def refreshes(self) -> int:
        return self._asked.read_text().count("POST /session/dbsc/refresh")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, certificate: Path) -> Iterator[Place]:
    folder, port = tmp_path_factory.mktemp("site"), find_port()
    origin = f"https://localhost:{port}"
    browser = {"public_origin": origin, "bind_cookies": True}
    with SessionService(folder / "service", {"binding": "prefer"}, browser=browser) as service:
        environment = {"SOJOURN_SERVICE": service.url, "SOJOURN_KEY": service.key}
        with ExitStack() as running:
            site, *others = (running.enter_context(START[kind](folder / kind, environment)) for kind in KINDS)
            below = "".join(
                f"location /{kind}/ {{ proxy_pass http://127.0.0.1:{other.port}/; }}"
                for kind, other in zip(KINDS[1:], others, strict=True)
            )
            asked = folder / "asked"
            http = f"""
            log_format asked "$request_method $uri $status";
            server {{
                listen 127.0.0.1:{port} ssl; ssl_certificate {certificate}; ssl_certificate_key {certificate};
                access_log {asked} asked; proxy_set_header Host $http_host;
                location = /blank {{ default_type text/html; return 200 "<!doctype html><title>Blank</title>"; }}
                location /session/ {{ proxy_pass {service.url}; }}
                {below}
                location / {{ proxy_pass http://127.0.0.1:{site.port}; }}
            }}
            """
            with NginxServer(folder / "nginx", port, http):
                yield Place(origin, site.port, service.port, asked)


@pytest.fixture
async def device(playwright: Playwright, certificate: Path, tmp_path: Path) -> AsyncIterator[BrowserContext]:
    async with start_device(playwright, installed("chromium"), tmp_path / "profile", certificate) as device:
        yield device


async def curl(place: Place, cookie: str, path: str = "/") -> str:
    ask = quote(json.dumps({"do": [FACTS]}))
    command = ["curl", "-sik", "-H", f"Cookie: {cookie}", f"{place.url}{path}?ask={ask}"]
    return (await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=True)).stdout


async def test_a_cookie_is_bound_renewed_and_ended_at_a_site_over_the_service(
    device: BrowserContext, place: Place
) -> None:
    tab = Tab(await device.new_page(), place)  # type: ignore[arg-type]  # an origin, as a stage is one
    await tab.begin()

    async def do(*steps: Any) -> Any:
        return await tab.page.evaluate(DO, ["/", list(steps)])

    async def user() -> Any:
        return (await do(FACTS))[0]["user_id"]

    await do(["login", "ada"])
    await tab.until("creation")
    held = await cookies(device)
    assert len(held) == 2
    loot = await curl(place, f"{COOKIE}={held[COOKIE]}")
    assert loot.startswith("HTTP/1.1 401")
    assert "urn:sojourn:problem:proof-required" in loot
    # Who has both has the session for ten minutes.
    assert '"ada"' in await curl(place, "; ".join(f"{name}={value}" for name, value in held.items()))

    await lose_bound_cookie(device)
    assert await asyncio.gather(*[tab.page.evaluate(STATUS) for _ in range(10)]) == [200] * 10
    assert place.refreshes() == 1
    assert await user() == "ada"
    assert sorted(await cookies(device)) == sorted(held)

    # From another device, which is not bound.
    other = Visitor(place.port)
    other.do(["login", "ada"])
    Visitor(place.service, other.token).send(
        "DELETE", "/session/sessions", headers={"host": place.url.partition("//")[2]}
    )
    await lose_bound_cookie(device)
    assert await user() is None
    await tab.until("termination")

    await do(["login", "ada"])
    await tab.until("creation", 2)
    await do(["logout"])
    assert await cookies(device) == {}
    assert await user() is None
    await tab.until("termination", 2)
    assert await cookies(device) == {}


async def test_each_other_language_has_cookies_bound_and_renewed(device: BrowserContext, place: Place) -> None:
    tab = Tab(await device.new_page(), place)  # type: ignore[arg-type]  # an origin, as a stage is one
    await tab.begin()
    for times, kind in enumerate(KINDS[1:], start=1):
        path = f"/{kind}/"
        await tab.page.evaluate(DO, [path, [["login", kind]]])
        await tab.until("creation", times)
        held = await cookies(device)
        loot = await curl(place, f"{COOKIE}={held[COOKIE]}", path)
        assert loot.startswith("HTTP/1.1 401")
        assert "urn:sojourn:problem:proof-required" in loot

        refreshes = place.refreshes()
        await lose_bound_cookie(device)
        [facts] = await tab.page.evaluate(DO, [path, [FACTS]])
        assert (facts["user_id"], place.refreshes()) == (kind, refreshes + 1)
        await tab.page.evaluate(DO, [path, [["logout"]]])
        assert await cookies(device) == {}
