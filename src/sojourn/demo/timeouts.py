"""Timeouts: the choices a visitor has, each a Policy of its own over the same store.

A record carries the limits that it was given, so any of the managers may open any session.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qs

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
    )


class TimeoutSwitch:
    """Picks the SessionMiddleware that the request's `?timeout=` names; a session made in it gets those limits."""

    def __init__(self, app: App, managers: Mapping[str, AsyncSessionManager], cookie: CookieOptions) -> None:
        self._app = app
        self._choices = {
            name: SessionMiddleware(
                app,
                manager,
                cookie=cookie,
                script_readable_tokens=True,
                cleanup_interval=600 if name == USUAL else None,
            )
            for name, manager in managers.items()
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not scope["path"].startswith("/static/"):
            wanted = parse_qs(scope["query_string"].decode("latin-1")).get("timeout", [USUAL])[0]
            await self._choices.get(wanted, self._choices[USUAL])(scope, receive, send)
        else:
            await self._app(scope, receive, send)
