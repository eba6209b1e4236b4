"""Transport: how a session's token travels between browser and server, and which requests are refused for it."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection

from .commit import Reply
from .cookie import CookieOptions
from .origin import is_cross_origin, is_foreign_handshake, trusted
from .problem import Problem

__all__ = ["PLAIN_HTTP", "Header", "Transport", "drops_secure", "set_cookie"]

Header = Callable[[str], str | None]
"""A request's header by its name in lower case; None where it was not sent."""

PLAIN_HTTP = (
    "A Secure cookie was set over plain http for %s, and browsers drop it there. Serve https; behind a proxy "
    "that does, let it say so (X-Forwarded-Proto); in development, open http://localhost."
)
"""For the log, with the request's host, where `drops_secure` says so."""

_is_local = re.compile(r"(?:(?:.+\.)?localhost|127(?:\.\d+){3}|\[::1\])(?::\d+)?", re.IGNORECASE).fullmatch

CROSS_ORIGIN = Problem(
    status=403,
    code="cross-origin",
    title="From another site",
    detail="This request came from a page of another origin. If it is yours, name it in trusted_origins.",
)
AMBIGUOUS = Problem(
    status=400,
    code="ambiguous-token",
    title="Two tokens",
    detail="The request holds a session token in a cookie and another in Authorization. Send one of them.",
)
NO_BEARER = Problem(
    status=400,
    code="bearer-not-enabled",
    title="Cookies only",
    detail="This server keeps session tokens in HttpOnly cookies. Use the client's storage 'cookie'.",
)


class Transport:
    """Tokens in a cookie, or in Authorization too where `script_readable_tokens` allows it.

    `script_readable_tokens` lets browser code hold the token itself: a script that is injected into a page can then
    steal it, which it cannot with the cookie. docs/security.md says more.
    """

    def __init__(
        self,
        cookie: CookieOptions | None = None,
        trusted_origins: Collection[str] = (),
        script_readable_tokens: bool = False,
    ) -> None:
        self.cookie = cookie or CookieOptions()
        self.vary = "Cookie, Authorization" if script_readable_tokens else "Cookie"
        self._trusted = trusted(trusted_origins)
        self._script_readable_tokens = script_readable_tokens

    def is_bearer(self, header: Header) -> bool:
        """Whether a script that holds its token itself sent this request."""
        return header("sojourn-transport") is not None or (header("authorization") or "").startswith("Bearer sj1-")

    def refusal(self, method: str, header: Header, bearer: bool) -> Problem | None:
        """Why this request may not be served, if it may not: CSRF, or a token where none may be."""
        if bearer:
            # Another site cannot send these headers without a preflight: no CSRF here.
            if not self._script_readable_tokens:
                return NO_BEARER
            # XMLHttpRequest cannot leave an old cookie at home; the client's header says which token is meant.
            said = header("sojourn-transport") is not None
            return AMBIGUOUS if not said and self.tokens(header, False) else None
        foreign = is_cross_origin(
            method,
            site=header("sec-fetch-site"),
            origin=header("origin"),
            host=header("host"),
            trusted_origins=self._trusted,
        )
        return CROSS_ORIGIN if foreign else None

    def is_foreign_handshake(self, header: Header) -> bool:
        """Whether a WebSocket's handshake comes from a page of another origin."""
        return is_foreign_handshake(origin=header("origin"), host=header("host"), trusted_origins=self._trusted)

    def tokens(self, header: Header, bearer: bool) -> list[str]:
        """The tokens that the request shows: none, one, or several that cannot all be meant."""
        if bearer:
            value = header("authorization") or ""
            return [value.removeprefix("Bearer ")] if value.startswith("Bearer ") else []
        return self.cookie.find((header("cookie") or "").encode("latin-1", "replace"))

    def header(self, reply: Reply, bearer: bool) -> tuple[str, str]:
        """The response header that hands the browser its new token, or tells it to forget the one it has."""
        if bearer:
            return "sojourn-token", reply.token.reveal() if reply.token else "none"
        return "set-cookie", set_cookie(self.cookie, reply)


def set_cookie(cookie: CookieOptions, reply: Reply) -> str:
    """The Set-Cookie value for a reply that has something to tell."""
    return cookie.set(reply.token.reveal(), reply.max_age) if reply.token else cookie.clear()


def drops_secure(scheme: str, host: str) -> bool:
    """Whether a browser that came here by `scheme` does not keep a Secure cookie of `host`, a Host header."""
    return scheme in ("http", "ws") and not _is_local(host)
