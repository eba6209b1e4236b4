"""AdminPages: a raw ASGI application, from a path below /admin to its page, for who has an operator's key."""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable, Collection, Mapping
from importlib.resources import files
from typing import NamedTuple

from sojourn.asgi import SessionMiddleware
from sojourn.asgi.exchange import encode_headers, find_headers
from sojourn.asgi.types import App, Message, Receive, Scope, Send
from sojourn.core.cookie import CookieOptions
from sojourn.core.errors import SojournError, StoreUnavailable
from sojourn.core.origin import SAFE_METHODS
from sojourn.core.policy import Policy
from sojourn.core.session import Session
from sojourn.core.token import ID_PATTERN
from sojourn.manager import AsyncSessionManager

from . import api_keys, audit, ends, life, overview, policy, sessions, sign_in
from .desk import Desk
from .markup import element
from .operators import Operator
from .page import MOUNT, page, url
from .request import FORM, AdminAnswer, AdminRequest, parse_form, read_body, redirect

__all__ = ["COOKIE", "HEADERS", "POLICY", "AdminPages"]

logger = logging.getLogger("sojourn.admin")

# An operator's own session. OWASP: 2 to 5 minutes idle for high risk, 15 to 30 for low; NIST: 15 at AAL3.
POLICY = Policy(idle_timeout=600, absolute_timeout=4 * 3600, remember=None, max_sessions=5)
COOKIE = CookieOptions(name="__Host-sojourn-admin", same_site="strict")

HEADERS = (
    (
        "content-security-policy",
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "  # noqa: ISC004  # one value
        "base-uri 'none'; frame-ancestors 'none'",
    ),
    ("cache-control", "no-store"),
    # Not "no-referrer": a form would be sent with the Origin "null".
    ("referrer-policy", "same-origin"),
    ("x-content-type-options", "nosniff"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
)
_OURS = frozenset(name.encode() for name, _ in HEADERS)

View = Callable[[Desk, AdminRequest], Awaitable[AdminAnswer]]


class AdminRoute(NamedTuple):
    """What answers a path by GET and by POST, and whether anybody may ask."""

    get: View | None = None
    post: View | None = None
    open: bool = False


_ROUTES: Mapping[str, AdminRoute] = {
    "": AdminRoute(overview.overview),
    "/sessions": AdminRoute(sessions.sessions),
    "/end": AdminRoute(ends.ask, ends.end),
    "/keys": AdminRoute(api_keys.keys, api_keys.make),
    "/keys/revoke": AdminRoute(api_keys.ask, api_keys.revoke),
    "/policy": AdminRoute(policy.policy),
    "/audit": AdminRoute(audit.audit),
    "/sign-in": AdminRoute(sign_in.show, sign_in.sign_in, open=True),
    "/sign-out": AdminRoute(None, sign_in.sign_out),
}
_LIFE = AdminRoute(life.life)
_is_life = re.compile(f"/sessions/{ID_PATTERN}").fullmatch
_STATIC = {
    f"/static/{name}": AdminAnswer(files("sojourn.admin").joinpath("static", name).read_bytes(), content_type=kind)
    for name, kind in (("admin.css", "text/css; charset=utf-8"), ("mark.svg", "image/svg+xml"))
}


class AdminPages:
    """The pages below MOUNT. `sessions` keeps the operators' own sessions: apart from those that they look after.

    `hosts` are the values of Host that are answered, where the program knows them: another one is a page elsewhere
    whose name was made to lead here. `behind` puts around what is asked whatever tells it a browser's own address.
    """

    def __init__(
        self,
        desk: Desk,
        sessions: AsyncSessionManager,
        *,
        hosts: Collection[str] | None = None,
        behind: Callable[[App], App] = lambda app: app,
    ) -> None:
        self._desk = desk
        self._hosts = hosts
        self._app = behind(SessionMiddleware(self._answer, sessions, cookie=COOKIE, cleanup_interval=None))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = [pair for pair in message.get("headers", ()) if pair[0].lower() not in _OURS]
                message = {**message, "headers": [*own, *encode_headers(HEADERS)]}
            await send(message)

        if self._hosts is not None:
            host = find_headers(scope["headers"]).get(b"host", b"").decode("latin-1").lower()
            if host not in self._hosts:
                await _send(guarded, _plain("Not here", "This name is none of this page's.", 421))
                return
        static = _STATIC.get(scope["path"].removeprefix(MOUNT))
        if static is not None and scope["method"] in SAFE_METHODS:
            await _send(guarded, static)
            return
        await self._app(scope, receive, guarded)

    async def close(self) -> None:
        """Let go of what goes on aside of requests. The stores stay open."""
        await self._desk.close()

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            answer = await self._find(scope, receive)
        except StoreUnavailable as error:
            logger.warning("%s", error)
            answer = _plain(
                "The store does not answer", "Try again in a moment. What you asked for may not be done.", 503
            )
        except SojournError as error:
            answer = _plain("That did not work", str(error), 500)
        await _send(send, answer)

    async def _find(self, scope: Scope, receive: Receive) -> AdminAnswer:
        path = scope["path"].removeprefix(MOUNT).rstrip("/")
        session: Session = scope["session"]
        now = self._desk.manager.clock()
        operator = self._who(session)
        route = _LIFE if _is_life(path) else _ROUTES.get(path)
        is_safe = scope["method"] in SAFE_METHODS
        if operator is None and not (route is not None and route.open):
            # Whoever is nobody is told nothing, not even which pages there are.
            return redirect(url("/sign-in", next=_here(scope) if is_safe else ""))
        view = (route.get if is_safe else route.post if scope["method"] == "POST" else None) if route else None
        if view is None:
            return _plain("No such page", "Nothing is here.", 405 if route else 404, operator)
        fields = await _fields(scope, receive, is_safe)
        if fields is None:
            return _plain("Not understood", "This form was not sent by these pages.", 400, operator)
        address = scope["client"][0] if scope.get("client") else ""
        return await view(self._desk, AdminRequest(scope["method"], path, address, fields, session, operator, now))

    def _who(self, session: Session) -> Operator | None:
        """The operator, while the key that the session began with is good."""
        if session.user_id is None or session.authenticated_at is None:
            return None
        operator = self._desk.operators.find(session.user_id)
        if operator is None or operator.since > session.authenticated_at:
            session.logout()
            return None
        return operator


async def _fields(scope: Scope, receive: Receive, is_safe: bool) -> dict[str, list[str]] | None:
    text: bytes | None = scope["query_string"]
    if not is_safe:
        kind = find_headers(scope["headers"]).get(b"content-type", b"").decode("latin-1").partition(";")[0]
        text = await read_body(receive) if kind.strip().lower() == FORM else None
    try:
        return None if text is None else parse_form(text)
    except ValueError:
        return None


def _here(scope: Scope) -> str:
    path, query = scope["path"], scope["query_string"].decode("latin-1")
    return "" if path == MOUNT and not query else path + (f"?{query}" if query else "")


def _plain(title: str, text: str, status: int, operator: Operator | None = None) -> AdminAnswer:
    content = element("section", element("h1", title), element("p", text), class_="card narrow")
    return AdminAnswer(page(title, content, operator=operator), status)


async def _send(send: Send, answer: AdminAnswer) -> None:
    body = answer.body if isinstance(answer.body, bytes) else answer.body.encode()
    headers = [("content-type", answer.content_type), *answer.headers, ("content-length", str(len(body)))]
    await send({"type": "http.response.start", "status": answer.status, "headers": encode_headers(headers)})
    await send({"type": "http.response.body", "body": body})
