"""Service: a raw ASGI application, from a request's path to the endpoint that answers it."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import msgspec

from sojourn.admin.page import MOUNT as ADMIN
from sojourn.asgi.types import App, Receive, Scope, Send
from sojourn.core.async_store import AsyncStore
from sojourn.core.cookie import CookieOptions
from sojourn.core.errors import ConfigurationError, InvalidData, SojournError, StoreUnavailable
from sojourn.core.problem import NOSNIFF, Problem, invalid_data, problem_of
from sojourn.core.token import ID_PATTERN
from sojourn.manager import AsyncSessionManager
from sojourn.wire.batches import MAX_CALLS
from sojourn.wire.http import (
    BATCH,
    BATCHES,
    COMMIT,
    CONFIG,
    CONTENT_TYPE,
    DESCRIPTION,
    END,
    HEALTH,
    JSON,
    METRICS,
    OPEN,
    READY,
    SESSION,
    USER,
    VERIFY,
    VERIFY_PASSIVELY,
)
from sojourn.wire.problems import NOT_FOUND

from .acting_key import acting_key
from .batch import CallBatch
from .cleanup import keep_up
from .edge import find_place
from .keyring import Keyring
from .openapi import openapi
from .prompt import BEGUN, Prompt
from .refusal import RequestRefused, key_refused, method_refused
from .request import BackEndRequest, HungUp, key_and_kind
from .service_endpoints import Route, ServiceEndpoints
from .stopping import until_stopping
from .unfinished import Unfinished
from .visitor_keys import VisitorKeys

if TYPE_CHECKING:
    from sojourn.admin.admin_pages import AdminPages

__all__ = ["ANSWER_HEADERS", "Service"]

logger = logging.getLogger("sojourn.service")

PLAIN = {OPEN, COMMIT, BATCH, CONFIG, VERIFY, VERIFY_PASSIVELY, DESCRIPTION, HEALTH, READY}

_patterns = [
    (SESSION, re.compile(SESSION.format(id=f"({ID_PATTERN})")).fullmatch),
    (END, re.compile(END.format(id=f"({ID_PATTERN})")).fullmatch),
    # 255 characters, percent-encoded.
    (USER, re.compile(USER.format(user_id="([^/]{1,3060})")).fullmatch),
]
READY_WITHIN = 2.0
# An id that no token has: what is asked for to see whether the store answers.
NOBODY = "0" * 32
OUTAGE_TOLD_EVERY = 5.0
ANSWER_HEADERS = tuple(
    (name.encode(), value.encode())
    for name, value in (
        (CONTENT_TYPE, JSON),
        ("cache-control", "no-store"),
        NOSNIFF,
        (BATCHES, str(MAX_CALLS)),
    )
)

Headers = list[tuple[str, str]]


class Service:
    """`/v1/…` for back ends with an API key, `/health` and `/ready` for who watches over the process.

    `browser` makes, with the manager, what answers under the path `mount`: the browser's own endpoints. `edge` answers
    where a proxy asks whose a request is. `exposition` is for Prometheus, and `admin` for operators.
    """

    def __init__(  # noqa: PLR0913  # each by its name
        self,
        store: AsyncStore,
        manager: AsyncSessionManager,
        keys: Keyring,
        *,
        edge: App,
        cookie: CookieOptions | None = None,
        visitor_keys: VisitorKeys | None = None,
        browser: Callable[[AsyncSessionManager], App] | None = None,
        mount: str = "/session",
        exposition: App | None = None,
        admin: AdminPages | None = None,
    ) -> None:
        self._manager = manager
        self._keys = keys
        at = {mount: (browser(self._manager), mount)} if browser else {}
        if admin is not None:
            at[ADMIN] = (admin, "")
        self._mounted = [(place, f"{place}/", *pages) for place, pages in at.items()]
        self._edge = edge
        self._exposition = exposition
        self._admin = admin
        self._outage_told_at = -OUTAGE_TOLD_EVERY
        self._description = msgspec.json.encode(openapi())
        is_memory, has_cache = getattr(store, "never_waits", False), hasattr(store, "at_hand")
        cookie = cookie or CookieOptions()
        endpoints = ServiceEndpoints(self._manager, cookie, visitor_keys, reads_freely=is_memory or has_cache)
        # What is asked before a session is made may wait.
        never_waits = is_memory and manager._before_create is None
        self.prompt = Prompt(endpoints, keys, self._problem, never_waits=never_waits, has_cache=has_cache)
        self.stopping = endpoints.stopping
        self._endpoints: Mapping[str, Mapping[str, Route]] = {
            OPEN: {"POST": Route(endpoints.open, "sessions")},
            COMMIT: {"POST": Route(endpoints.commit, "sessions")},
            BATCH: {"POST": Route(endpoints.batch, "sessions")},
            CONFIG: {"GET": Route(endpoints.config, "sessions")},
            SESSION: {
                "GET": Route(endpoints.get, "sessions"),
                "DELETE": Route(endpoints.revoke, "admin"),
            },
            END: {"GET": Route(endpoints.end, "sessions")},
            USER: {
                "GET": Route(endpoints.list, "admin"),
                "DELETE": Route(endpoints.revoke_all, "admin"),
            },
            DESCRIPTION: {"GET": Route(self._describe, None)},
            HEALTH: {"GET": Route(self._alive, None)},
            READY: {"GET": Route(self._ready, None)},
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        if scope["type"] != "http":
            raise ConfigurationError("The service speaks HTTP alone.")
        path: str = scope["path"]
        pages = self._mounted and self._find_pages(path)
        if pages:
            await pages[0]({**scope, "root_path": pages[1]}, until_stopping(receive, self.stopping), send)
            return
        began = time.perf_counter() if logger.isEnabledFor(logging.DEBUG) else 0
        try:
            apart = self._edge if find_place(path) else self._exposition if path == METRICS else None
            if apart is not None:
                await apart(scope, receive, send)
                return
            answer = await self._answer(scope, receive)
        except HungUp:
            return
        except (RequestRefused, SojournError) as error:
            problem, more = self._answer_to(error)
            status = problem.status
            headers = [(name.encode(), value.encode()) for name, value in [*problem.headers(), *more]]
            await _send(send, status, headers, problem.body())
        else:
            status = 200
            if isinstance(answer, CallBatch):
                # Of HTTP/1.0 there are no pieces.
                await answer.answer(send, self._problem, whole=scope["http_version"] == "1.0")
            else:
                await _send(send, status, [*ANSWER_HEADERS], answer)
        if began:
            _log(scope, status, began)

    def _find_pages(self, path: str) -> tuple[App, str] | None:
        """What answers browsers under `path`, and its root there."""
        for mount, below, app, root in self._mounted:
            if path == mount or path.startswith(below):
                return app, root
        return None

    async def _answer(self, scope: Scope, receive: Receive) -> bytes | CallBatch:
        begun: Unfinished[bytes] | CallBatch | None = scope.get(BEGUN)
        if begun is not None:
            acting_key.set(self._keys.id_of(key_and_kind(scope["headers"])[0]))
            return await begun if isinstance(begun, Unfinished) else begun
        found, methods = "", self._endpoints.get(scope["path"])
        if methods is None:
            template, found = _match(scope["raw_path"].decode("latin-1"))
            methods = self._endpoints[template]
        method: str = scope["method"]
        endpoint = methods.get("GET" if method == "HEAD" else method)
        if endpoint is None:
            raise method_refused(methods)
        authorization, content_type = key_and_kind(scope["headers"])
        if endpoint.scope is not None:
            refusal = self._keys.refusal(authorization, endpoint.scope)
            if refusal is not None:
                raise key_refused(refusal)
            acting_key.set(self._keys.id_of(authorization))
        return await endpoint.answer(BackEndRequest(scope, receive, content_type, found))

    def _answer_to(self, error: RequestRefused | SojournError) -> tuple[Problem, Headers]:
        if isinstance(error, RequestRefused):
            return error.problem, list(error.headers)
        if isinstance(error, InvalidData):
            return invalid_data(error), []
        problem = problem_of(error)
        if problem is None:
            raise error
        if isinstance(error, StoreUnavailable) and time.monotonic() >= self._outage_told_at + OUTAGE_TOLD_EVERY:
            # Not for each of ten thousand requests a second.
            self._outage_told_at = time.monotonic()
            logger.warning("%s", error)
        return problem, []

    def _problem(self, error: RequestRefused | SojournError) -> Problem:
        return self._answer_to(error)[0]

    async def _describe(self, request: BackEndRequest) -> bytes:
        return self._description

    async def _alive(self, request: BackEndRequest) -> bytes:
        return b'{"status":"alive"}'

    async def _ready(self, request: BackEndRequest) -> bytes:
        try:
            await asyncio.wait_for(self._manager.get(NOBODY), READY_WITHIN)
        except TimeoutError:
            raise StoreUnavailable(f"The store did not answer within {READY_WITHIN:g} s.") from None
        return b'{"status":"ready"}'

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        upkeep = asyncio.get_running_loop().create_task(keep_up(self._manager))
        await send({"type": "lifespan.startup.complete"})
        await receive()
        upkeep.cancel()
        await asyncio.gather(upkeep, return_exceptions=True)
        if self._admin is not None:
            await self._admin.close()
        await self._manager.close()
        await send({"type": "lifespan.shutdown.complete"})


async def _send(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    headers.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _match(path: str) -> tuple[str, str]:
    for template, pattern in _patterns:
        found = pattern(path)
        if found:
            return template, found[1]
    raise RequestRefused(NOT_FOUND)


def _log(scope: Scope, status: int, began: float) -> None:
    path: str = scope["path"]
    # By its pattern: a user's id is in some, and whatever was mistaken for an id.
    shown = path if path in PLAIN else next((name for name, pattern in _patterns if pattern(path)), "elsewhere")
    took = (time.perf_counter() - began) * 1000
    told = {"method": scope["method"], "path": shown, "status": status, "ms": round(took, 2)}
    logger.debug("%s %s %d", scope["method"], shown, status, extra={"told": told})
