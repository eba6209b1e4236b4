"""A browser renews its bound cookie while the user logs out: what it got opens nothing afterwards. 200 tries each."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from sojourn import AsyncSessionManager, Policy
from sojourn.asgi import SessionMiddleware
from sojourn.stores.store_url import open_async_store
from tests.keys import Key, device_proof
from tests.store_kinds import url_of

TRIES = 200
ORIGIN = "https://app.example.com"
REGISTER, REFRESH = "/session/dbsc/register", "/session/dbsc/refresh"
CHALLENGE = re.compile('challenge="([^"]*)"')


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def log_in(request: Request) -> JSONResponse:
    request.session.login("ada")  # type: ignore[attr-defined]
    return JSONResponse({})


async def log_out(request: Request) -> JSONResponse:
    request.session.logout()  # type: ignore[attr-defined]
    return JSONResponse({})


async def show(request: Request) -> JSONResponse:
    return JSONResponse({"user": request.session.user_id})  # type: ignore[attr-defined]


class Browser:
    """One with a key, whose session is bound. It keeps no cookies by itself: who races says which it sends."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client, self._key = client, Key()
        self.cookies: dict[str, str] = {}
        self._challenge, self._of = "", ""

    async def send(self, method: str, path: str, cookies: dict[str, str], **headers: str) -> httpx.Response:
        pairs = "; ".join(f"{name}={value}" for name, value in cookies.items())
        answer = await self._client.request(method, path, headers={"Cookie": pairs, **headers})
        self._client.cookies.clear()
        return answer

    async def begin(self) -> None:
        answer = await self.send("POST", "/login", {})
        found = CHALLENGE.search(answer.headers["secure-session-registration"])
        assert found
        self.cookies = set_by(answer)
        proof = device_proof(self._key, found[1], register=True)
        answer = await self.send("POST", REGISTER, self.cookies, **{"Secure-Session-Response": proof})
        self.cookies |= set_by(answer)
        self._challenge, self._of = answer.headers["secure-session-challenge"].split(";id=")

    async def refresh(self) -> httpx.Response:
        proof = device_proof(self._key, self._challenge.strip('"'), register=False)
        told = {"Secure-Session-Response": proof, "Sec-Secure-Session-Id": self._of}
        return await self.send("POST", REFRESH, self.cookies, **told)


def set_by(answer: httpx.Response) -> dict[str, str]:
    lines = [line.partition(";") for line in answer.headers.get_list("set-cookie")]
    return {pair.partition("=")[0]: pair.partition("=")[2] for pair, _, rest in lines if "Max-Age=0" not in rest}


@pytest.mark.parametrize("kind", ["memory", "sqlite", "postgres", "redis"])
async def test_no_cookie_of_a_refresh_outlives_the_log_out(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    manager = AsyncSessionManager(open_async_store(url_of(kind, request, tmp_path)), Policy(binding="prefer"))
    layer = Middleware(SessionMiddleware, manager=manager, public_origin=ORIGIN)
    routes = [Route("/login", log_in, methods=["POST"]), Route("/logout", log_out, methods=["POST"]), Route("/", show)]
    app = Starlette(routes=routes, middleware=[layer])
    alive, renewed = 0, 0
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://app.example.com") as client:
        for number in range(TRIES):
            browser = Browser(client)
            await browser.begin()
            assert (await browser.send("GET", "/", browser.cookies)).json() == {"user": "ada"}
            calls = [browser.refresh(), browser.send("POST", "/logout", browser.cookies)]
            first, second = await asyncio.gather(*(calls if number % 2 else reversed(calls)))
            refreshed = first if number % 2 else second

            got = set_by(refreshed)
            renewed += bool(got)
            after = await browser.send("GET", "/", browser.cookies | got)
            again = await browser.refresh()
            alive += after.json().get("user") is not None or bool(set_by(again))
    await manager.close()

    assert alive == 0
    assert kind == "memory" or renewed > 0
