"""Caches that keep what a handler returned: whose page is given to whom, and the line that docs/caches.md asks for.

They look at no header. So each page is there twice, plain and with the line: the plain one shows what the line is for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import httpx2
import pytest
from fastapi import FastAPI
from fastapi_cache import FastAPICache
from fastapi_cache.backends.inmemory import InMemoryBackend
from fastapi_cache.decorator import cache as keep
from flask import Flask, request
from flask_caching import Cache
from litestar import Litestar, get, post
from litestar import Request as LitestarRequest
from litestar.middleware import DefineMiddleware
from litestar.params import FromPath
from starlette.requests import Request
from starlette.testclient import TestClient

from sojourn import AsyncSessionManager, SessionManager
from sojourn.asgi import SessionMiddleware, session_of
from sojourn.flask import init_app, session
from sojourn.stores.memory import AsyncMemoryStore, MemoryStore

URL = "https://shop.test"

# Makes browsers that share nothing but the application.
Browsers = Callable[[], httpx2.Client]


def flask_caching(memoize: bool) -> Browsers:
    app = Flask(__name__)
    init_app(app, SessionManager(MemoryStore()))
    cache = Cache(app, config={"CACHE_TYPE": "SimpleCache"})

    def mine(*_: Any, **__: Any) -> str:
        return f"{request.path} {session.id}"

    def hello() -> str:
        return f"hello {session.user_id}"

    def begin() -> str:
        session["cart"] = ["tea"]
        return "begun"

    @app.post("/login/<user>")
    def login(user: str) -> str:
        session.login(user)
        return "in"

    if memoize:
        app.get("/plain", endpoint="plain")(cache.memoize()(hello))
        greeting = cache.memoize()(lambda user_id: f"hello {user_id}")
        app.get("/line", endpoint="line")(lambda: greeting(session.user_id))
        app.get("/begin", endpoint="begin")(cache.memoize()(begin))
    else:
        app.get("/plain", endpoint="plain")(cache.cached()(hello))
        app.get("/line", endpoint="line")(cache.cached(make_cache_key=mine)(hello))
        app.get("/begin", endpoint="begin")(cache.cached()(begin))
    return lambda: httpx2.Client(transport=httpx2.WSGITransport(app), base_url=URL)


def fastapi_cache(_: bool) -> Browsers:
    app = FastAPI()
    app.add_middleware(SessionMiddleware, manager=AsyncSessionManager(AsyncMemoryStore()))
    FastAPICache.reset()
    FastAPICache.init(InMemoryBackend(), prefix=str(id(app)))

    def mine(function: Callable[..., Any], namespace: str = "", /, *, request: Request | None = None, **_: Any) -> str:
        assert request is not None
        return f"{namespace} {function.__name__} {request.url.path} {session_of(request).id}"

    async def hello(request: Request) -> str:
        return f"hello {session_of(request).user_id}"

    async def begin(request: Request) -> str:
        session_of(request)["cart"] = ["tea"]
        return "begun"

    @app.post("/login/{user}")
    async def login(user: str, request: Request) -> str:
        session_of(request).login(user)
        return "in"

    app.get("/plain")(keep(expire=60)(hello))
    app.get("/line")(keep(expire=60, key_builder=mine)(hello))
    app.get("/begin")(keep(expire=60)(begin))
    return lambda: TestClient(app, base_url=URL)


def litestar(_: bool) -> Browsers:
    def mine(request: LitestarRequest[Any, Any, Any]) -> str:
        return f"{request.url.path} {session_of(request).id}"

    async def hello(request: LitestarRequest[Any, Any, Any]) -> str:
        return f"hello {session_of(request).user_id}"

    @get("/begin", cache=60)
    async def begin(request: LitestarRequest[Any, Any, Any]) -> str:
        session_of(request)["cart"] = ["tea"]
        return "begun"

    @post("/login/{user:str}")
    async def login(user: FromPath[str], request: LitestarRequest[Any, Any, Any]) -> str:
        session_of(request).login(user)
        return "in"

    app = Litestar(
        [get("/plain", cache=60)(hello), get("/line", cache=60, cache_key_builder=mine)(hello), begin, login],
        middleware=[DefineMiddleware(SessionMiddleware, manager=AsyncSessionManager(AsyncMemoryStore()))],
    )
    return lambda: TestClient(cast(Any, app), base_url=URL)


CACHES = {
    "Flask-Caching cached": (flask_caching, False),
    "Flask-Caching memoize": (flask_caching, True),
    "fastapi-cache2": (fastapi_cache, False),
    "Litestar cache=": (litestar, False),
}


@pytest.fixture(params=CACHES)
def browsers(request: pytest.FixtureRequest) -> Browsers:
    make, how = CACHES[request.param]
    return make(how)


def member(browsers: Browsers, user: str) -> httpx2.Client:
    browser = browsers()
    assert browser.post(f"/login/{user}").text.strip('"') == "in"
    return browser


def page(browser: httpx2.Client, path: str) -> str:
    answer = browser.get(path)
    assert answer.status_code == 200
    return answer.text.strip('"')


def test_a_plain_page_that_read_a_session_is_given_to_the_next_visitor(browsers: Browsers) -> None:
    assert [page(each, "/plain") for each in (member(browsers, "ada"), browsers())] == ["hello ada", "hello ada"]


def test_with_the_line_everybody_is_given_a_page_of_their_own(browsers: Browsers) -> None:
    ada, bob, visitor = member(browsers, "ada"), member(browsers, "bob"), browsers()

    for _ in range(3):
        assert [page(each, "/line") for each in (ada, bob, visitor)] == ["hello ada", "hello bob", "hello None"]


def test_a_cookie_is_given_to_nobody_but_who_began_the_session(browsers: Browsers) -> None:
    first, second = (browser.get("/begin") for browser in (browsers(), browsers()))

    assert "__Host-session=sj1-" in first.headers["set-cookie"]
    assert "set-cookie" not in second.headers
