"""Edge: whether a proxy may let a visitor's request through, by the session that it shows."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import quote, unquote_to_bytes

from sojourn.asgi.exchange import AsyncExchange, encode_headers, find_headers, look_up
from sojourn.asgi.types import App, Receive, Scope, Send
from sojourn.core.origin import is_foreign_handshake
from sojourn.core.problem import Problem
from sojourn.core.session import Session
from sojourn.core.transport import CROSS_ORIGIN
from sojourn.wire.http import BEARER, VERIFY, VERIFY_PASSIVELY

from .keyring import Keyring
from .refusal import RequestRefused, method_refused

__all__ = ["NO_LEVEL", "PLAIN", "Edge", "find_place", "header_value"]

logger = logging.getLogger("sojourn.service")

find_place = re.compile(f"({VERIFY}|{VERIFY_PASSIVELY})(/.*)?", re.DOTALL).fullmatch
"""Whether a path is the edge's: where a proxy asks, and what Envoy puts below it."""

# What a proxy sends, as ASGI spells it.
KEY = b"sojourn-key"
METHOD, URI, HOST = b"x-forwarded-method", b"x-forwarded-uri", b"x-forwarded-host"
# A key that a browser registers is for the browser's own endpoints: here it would not hear of it.
_LEFT_OUT = frozenset({METHOD, URI, HOST, b"host", b"secure-session-response", b"sec-secure-session-id"})
TOLD_EVERY = 5.0
PLAIN = "!#$&'*+-.^_`|~@:/="
"""Beside letters and digits, what of a user's id stays as it is in a header: no list is split at one of these."""
NO_LEVEL = "none"


class _Asked(NamedTuple):
    """A visitor's request, as a proxy tells of it; and the status by which that is told yes."""

    method: bytes
    uri: bytes
    host: bytes
    passive: bool
    yes: int


class Edge:
    """VERIFY, where a proxy asks whose a request is before it serves it: a yes says who, a 401 why it is nobody's.

    The proxy proves itself by a key in a header of its own, for Authorization and Cookie are the visitor's, and tells
    of the visitor's request in X-Forwarded-Method, -Uri and -Host. Or, as Envoy does, it asks by that method for that
    path and query, below VERIFY. VERIFY_PASSIVELY is the same, and no activity. It is a path of its own, for the query
    is the visitor's: Envoy and Caddy keep it.

    `sessions` puts the visitor's session around an application; None where the policy binds sessions and nothing says
    by which origin to verify them.
    """

    def __init__(self, keys: Keyring, sessions: Callable[[App], App] | None, trusted_origins: tuple[str, ...]) -> None:
        self._keys = keys
        self._sessions = sessions(_answer) if sessions else None
        self._trusted_origins = trusted_origins
        self._told_at = -TOLD_EVERY

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request for a path that `find_place` finds. Raises RequestRefused for one that is not looked at."""
        try:
            sessions, visitors = self._sessions, self._visitors(scope)
            if sessions is None:
                raise _not_set_up("The policy binds sessions: give the service public_origin below [browser].")
        except RequestRefused as refused:
            self._tell(refused.problem)
            raise
        await sessions(visitors, receive, send)

    def _visitors(self, scope: Scope) -> Scope:
        """The visitor's own request."""
        found = find_place(scope["path"])
        assert found is not None
        if not found[2] and scope["method"] not in ("GET", "HEAD"):
            raise method_refused(["GET"])
        headers = find_headers(scope["headers"])
        refusal = self._keys.refusal(f"{BEARER} ".encode() + headers.pop(KEY, b""), "verify")
        if refusal is not None:
            raise _not_set_up(f"It must send Sojourn-Key, an API key of the scope verify: {refusal.code}.")
        asked = _asked(scope, headers, found)
        if headers.get(b"authorization", b"")[:5].lower() != b"dpop ":
            # Beside a cookie it is for the application, which renews the token for it.
            headers.pop(b"dpop", None)
        kept = {name: value for name, value in headers.items() if name not in _LEFT_OUT} | {b"host": asked.host}
        self._refuse_foreign_handshake(kept)
        raw = asked.uri.partition(b"?")[0]
        return {
            **scope,
            "method": asked.method.decode("latin-1"),
            "path": unquote_to_bytes(raw).decode("utf-8", "replace"),
            "raw_path": raw,
            "root_path": "",
            "query_string": b"",
            "headers": list(kept.items()),
            "sojourn.asked": asked,
        }

    def _refuse_foreign_handshake(self, headers: dict[bytes, bytes]) -> None:
        # A GET, and yet no page of another site may make it.
        header, trusted = look_up(headers), self._trusted_origins
        foreign = is_foreign_handshake(origin=header("origin"), host=header("host"), trusted_origins=trusted)
        if foreign and header("sec-websocket-key") is not None:
            raise RequestRefused(CROSS_ORIGIN)

    def _tell(self, problem: Problem) -> None:
        # nginx shows nobody what the problem is. Not for each of ten thousand requests a second.
        if problem.status >= 500 and time.monotonic() >= self._told_at + TOLD_EVERY:
            self._told_at = time.monotonic()
            logger.error("%s: %s", VERIFY, problem.detail)


def _not_set_up(detail: str) -> RequestRefused:
    """No 401: it is nothing that a visitor can mend, who would be sent to log in again and again."""
    problem = Problem(status=500, code="proxy-not-set-up", title="The proxy in front is not set up", detail=detail)
    return RequestRefused(problem)


def _asked(scope: Scope, headers: dict[bytes, bytes], found: re.Match[str]) -> _Asked:
    passive = found[1] == VERIFY_PASSIVELY
    if found[2]:
        uri: bytes = scope["raw_path"]
        host = headers.get(b"host", b"")
        # Envoy takes no 204 for a yes.
        return _Asked(scope["method"].encode(), uri.removeprefix(found[1].encode()), host, passive, 200)
    if not all(headers.get(name) for name in (METHOD, URI, HOST)):
        raise _not_set_up("It must send X-Forwarded-Method, X-Forwarded-Uri and X-Forwarded-Host.")
    return _Asked(headers[METHOD], headers[URI], headers[HOST], passive, 204)


async def _answer(scope: Scope, receive: Receive, send: Send) -> None:
    """Say whose the session is. Raises LoginRequired and StoreUnavailable, which are answered with 401 and 503."""
    session: Session = scope["session"]
    exchange: AsyncExchange = scope["sojourn"]
    asked: _Asked = scope["sojourn.asked"]
    session.passive = asked.passive
    # Not every proxy hands a Set-Cookie on, and a token whose new secrets are all lost is taken for a thief's.
    session._renews = False
    # First: an end that came in between is then known.
    await exchange.commit()
    user_id = session.require_login()
    headers = [
        ("sojourn-user", header_value(user_id)),
        ("sojourn-session", str(session.id)),
        ("sojourn-level", session.level or NO_LEVEL),
        ("sojourn-authenticated", str(session.authenticated_at)),
        ("cache-control", "no-store"),
    ]
    if asked.yes != 204:
        headers.append(("content-length", "0"))
    await send({"type": "http.response.start", "status": asked.yes, "headers": encode_headers(headers)})
    await send({"type": "http.response.body", "body": b""})


def header_value(text: str) -> str:
    """Letters, digits and PLAIN as they are, each other byte of the UTF-8 as %XX: any text, and no two alike."""
    return quote(text, safe=PLAIN)
