"""Mistakes that `mypy --strict` must find: it warns of each `type: ignore` here that it does not need.

Never imported or run.
"""

from __future__ import annotations

from sojourn import AsyncSessionManager, CookieOptions, Event, Lifetime, Policy, Session, SessionManager
from sojourn.asgi import BrowserEndpoints, SessionMiddleware
from sojourn.asgi.types import Receive, Scope, Send
from sojourn.stores.memory import AsyncMemoryStore, MemoryStore


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """An application."""


# A store of the other kind.
SessionManager(AsyncMemoryStore())  # type: ignore[arg-type]
AsyncSessionManager(MemoryStore())  # type: ignore[arg-type]
threads = SessionManager(MemoryStore())
manager = AsyncSessionManager(AsyncMemoryStore())
SessionMiddleware(app, threads)  # type: ignore[arg-type]

# Settings.
Policy(900)  # type: ignore[call-arg]
Policy(idle_timeout="30m")  # type: ignore[arg-type]
Policy(on_limit="end_newest")  # type: ignore[arg-type]
Policy(timeout=900)  # type: ignore[call-arg]
Policy(max_sessions=2.5)  # type: ignore[arg-type]
Lifetime(idle_timeout=900)  # type: ignore[call-arg]
CookieOptions(same_site="Lax")  # type: ignore[arg-type]
CookieOptions(httponly=False)  # type: ignore[call-arg]
CookieOptions(secure=False)  # type: ignore[call-arg]
BrowserEndpoints({"theme"})  # type: ignore[call-arg]


def listen(event: Event) -> None:
    """Nothing of an event can be changed, and it has no token."""
    event.at = 0  # type: ignore[misc]
    event.token  # type: ignore[attr-defined]  # noqa: B018


async def wrong(session: Session) -> None:
    """What a session is not."""
    session.login(1)  # type: ignore[arg-type]
    session.login("ada", True)  # type: ignore[call-arg]
    session.user_id = "ada"  # type: ignore[misc]
    session.id.upper()  # type: ignore[union-attr]
    session[1] = "one"  # type: ignore[index]
    session.increment("n", 0.5)  # type: ignore[arg-type]
    session.cart = []  # type: ignore[attr-defined]
    await session.commit()  # type: ignore[attr-defined]
    session.flush()  # type: ignore[attr-defined]


async def forgotten() -> None:
    """The manager of an event loop is awaited, the other is not."""
    manager.list("ada").sort()  # type: ignore[attr-defined]
    await threads.list("ada")  # type: ignore[misc]
    await manager.revoke("0" * 32, "because")  # type: ignore[arg-type]
    await manager.revoke_all("ada", "0" * 32)  # type: ignore[call-arg]
    count: int = manager.delete_expired()  # type: ignore[assignment]
    print(count)  # noqa: T201
