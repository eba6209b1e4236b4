"""Timeouts: the choices a visitor has, each a Policy of its own over the same store.

A record carries the limits that it was given, so any of the managers may open any session.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import parse_qs, urlsplit

from sojourn.asgi import SessionMiddleware
from sojourn.asgi.types import App, Receive, Scope, Send
from sojourn.core.cookie import CookieOptions
from sojourn.core.policy import Lifetime, Policy
from sojourn.manager import AsyncSessionManager

__all__ = ["USUAL", "TimeoutSwitch", "policies"]

USUAL = "usual"
MAX_SESSIONS = 5


def policies(idle_timeout: float, absolute_timeout: float) -> dict[str, Policy]:
    """A policy for each choice: two that a person can watch pass, and the usual one."""
    return {
        "30": _policy(30, 120),
        "60": _policy(60, 600),
        USUAL: _policy(idle_timeout, absolute_timeout),
    }


def _policy(idle_timeout: float, absolute_timeout: float) -> Policy:
    return Policy(
        idle_timeout=idle_timeout,
        absolute_timeout=absolute_timeout,
        remember=Lifetime(idle_timeout=14 * 86400, absolute_timeout=30 * 86400),
        # The same for all: a session of 30 s must be touched in time by whichever manager opens it.
        touch_interval=min(1.0, idle_timeout / 2),
        max_sessions=MAX_SESSIONS,
        binding="prefer",
    )


class TimeoutSwitch:
    """Picks the SessionMiddleware that the request's `?timeout=` names; a session made in it gets those limits.

    Also by the Host, among `origins`: a proof is for one origin, and a demo has more than one name. By another name it
    takes no proofs.
    """

    def __init__(
        self, app: App, managers: Mapping[str, AsyncSessionManager], cookie: CookieOptions, origins: Sequence[str]
    ) -> None:
        self._app = app
        self._usual = urlsplit(origins[0]).netloc
        self._choices = {
            (name, urlsplit(origin).netloc): SessionMiddleware(
                app,
                manager,
                cookie=cookie,
                script_readable_tokens=True,
                cleanup_interval=600 if (name, origin) == (USUAL, origins[0]) else None,
                public_origin=origin,
            )
            for name, manager in managers.items()
            for origin in origins
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not scope["path"].startswith("/static/"):
            wanted = parse_qs(scope["query_string"].decode("latin-1")).get("timeout", [USUAL])[0]
            host = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"host"), "")
            known = host if (USUAL, host) in self._choices else self._usual
            await self._choices.get((wanted, known), self._choices[USUAL, known])(scope, receive, send)
        else:
            await self._app(scope, receive, send)
