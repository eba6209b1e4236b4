"""The site: one page, the session endpoints, and the handlers, put together."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import metadata
from importlib.resources import files
from pathlib import Path
from string import Template
from urllib.parse import urlsplit

from limits import parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from sojourn.asgi import BrowserEndpoints, session_of
from sojourn.asgi.types import App, Message, Receive, Scope, Send
from sojourn.core.cookie import CookieOptions
from sojourn.core.errors import SessionRefused
from sojourn.core.record import Client
from sojourn.manager import AsyncSessionManager
from sojourn.stores.store_url import open_async_store

from . import accounts, bag, demo_races, inspector
from .demo_store import name_of
from .json_bodies import http_error
from .timeouts import TimeoutSwitch, policies
from .traffic import Traffic, TrafficMiddleware
from .users import Users

__all__ = ["make_site"]

WRITABLE = frozenset({"theme", "accent", "name"})
READABLE = WRITABLE | {"cart", "stamps"}

THEMES = ("auto", "light", "dark")
ACCENTS = ("sea", "moss", "rust", "plum", "sky")

HEADERS = [
    (b"content-security-policy", b"default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
]


# From one address, and more than anybody asks for by hand.
SESSIONS = parse("600/minute")
_limiter = MovingWindowRateLimiter(MemoryStorage())


async def _limit(client: Client, user_id: str | None) -> None:
    """Refuse the flood of sessions that a script could ask for."""
    if not _limiter.hit(SESSIONS, client.ip):
        raise SessionRefused(retry_after=60)


def make_site(
    url: str, users: Path, idle_timeout: float, absolute_timeout: float, insecure_cookies: bool, origins: Sequence[str]
) -> Starlette:
    """The ASGI application over the store at `url`, at `origins` to browsers. It makes files that are not there."""
    cookie = CookieOptions(insecure_http=insecure_cookies)
    traffic = Traffic(cookie.name)
    store = open_async_store(url)
    managers = {
        name: AsyncSessionManager(store, policy, on_event=traffic.follow, before_create=_limit)
        for name, policy in policies(idle_timeout, absolute_timeout).items()
    }

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await store.close()

    return Starlette(
        routes=[
            Route("/", _page(idle_timeout, name_of(url), insecure_cookies, origins)),
            Route("/documentation", _documentation),
            Mount("/session", BrowserEndpoints(readable=READABLE, writable=WRITABLE)),
            Mount("/static", StaticFiles(packages=[("sojourn.demo", "static")])),
            *accounts.routes(Users(users)),
            *bag.routes,
            *demo_races.routes,
            *inspector.routes(store, traffic),
        ],
        middleware=[
            Middleware(SafeHeaders),
            Middleware(TrafficMiddleware, traffic=traffic),
            Middleware(TimeoutSwitch, managers=managers, cookie=cookie, origins=origins),
        ],
        exception_handlers={HTTPException: http_error},
        lifespan=lifespan,
    )


def _page(
    idle_timeout: float, store: str, insecure_cookies: bool, origins: Sequence[str]
) -> Callable[[Request], Awaitable[Response]]:
    hosts = [urlsplit(origin).netloc for origin in origins]
    template = Template(files("sojourn.demo").joinpath("page.html").read_text("utf-8"))

    async def page(request: Request) -> Response:
        """The page, in the visitor's colours from the first paint on; the rest of it is the browser client's."""
        session = session_of(request)
        html = template.substitute(
            theme=_one_of(session.get("theme"), THEMES),
            accent=_one_of(session.get("accent"), ACCENTS),
            usual=spoken(idle_timeout),
            store=store,
            secure="no" if insecure_cookies else "yes",
            binds="yes" if request.headers.get("host") in hosts else "no",
        )
        return HTMLResponse(html, headers={"cache-control": "no-cache"})

    return page


async def _documentation(_: Request) -> Response:
    """The README as the package brings it: it is there wherever the demo is."""
    return PlainTextResponse(str(metadata("sojourn").json["description"]))


def _one_of(value: object, choices: tuple[str, ...]) -> str:
    # A browser may write any JSON under its keys: nothing else gets into the markup.
    return value if isinstance(value, str) and value in choices else choices[0]


def spoken(seconds: float) -> str:
    """A duration as one says it: 30 s, 5 min, 2 h."""
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:g} {unit}"
    return f"{seconds:g} s"


class SafeHeaders:
    """Adds the headers that keep foreign scripts and frames out: this page needs none."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def add(message: Message) -> None:
            if message["type"] == "http.response.start":
                # The files are few and change with the release: asked for anew, answered 304.
                fresh = [(b"cache-control", b"no-cache")] if scope["path"].startswith("/static/") else []
                message = {**message, "headers": [*message.get("headers", ()), *HEADERS, *fresh]}
            await send(message)

        await self._app(scope, receive, add if scope["type"] == "http" else send)
