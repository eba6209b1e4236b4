"""Sojourn as an application uses it, for mypy alone: every line here is accepted by `mypy --strict`.

Never imported or run: `make check` types it with the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from typing import Annotated, Any, assert_type

from fastapi import Depends, FastAPI, Request

from sojourn import (
    AsyncSessionManager,
    Client,
    CookieOptions,
    EndReason,
    Event,
    Lifetime,
    Policy,
    Session,
    SessionConflict,
    SessionEnded,
    SessionInfo,
    SessionManager,
    SojournError,
    open_async_store,
    open_store,
)
from sojourn.asgi import BrowserEndpoints, SessionMiddleware
from sojourn.core.events import Ended, TokenReused
from sojourn.core.store import AsyncStore, Stats, Store
from sojourn.fastapi import CurrentSession, LoggedIn, logged_in
from sojourn.stores.memory import AsyncMemoryStore, MemoryStore
from sojourn.stores.sqlite import AsyncSQLiteStore, SQLiteStore


def listen(event: Event) -> None:
    """An event is told apart by its class."""
    if isinstance(event, Ended):
        assert_type(event.reason, EndReason)
    elif isinstance(event, TokenReused):
        assert_type(event.user_id, str | None)


policy = Policy(
    idle_timeout=900,
    absolute_timeout=8 * 3600.0,
    remember=Lifetime(idle_timeout=86400, absolute_timeout=7 * 86400),
    touch_interval=None,
    max_sessions=5,
    on_limit="refuse",
    on_conflict="raise",
)
manager = AsyncSessionManager(AsyncSQLiteStore("sessions.sqlite3"), policy, on_event=listen)
app = FastAPI()
app.mount("/session", BrowserEndpoints(readable={"theme"}, writable=["theme"]))
app.add_middleware(
    SessionMiddleware, manager=manager, cookie=CookieOptions(same_site="strict"), trusted_origins=["https://a.example"]
)

Recent = Annotated[Session, Depends(logged_in(within=300))]


@app.get("/")
async def home(session: CurrentSession) -> dict[str, Any]:
    """A session is a mutable mapping of text to anything that JSON holds."""
    mapping: MutableMapping[str, Any] = session
    session["cart"] = [{"sku": 1, "name": "Tea"}]
    session["cart"].append({"sku": 2})
    session.setdefault("seen", []).append("/")
    session.update(theme="dark")
    session.pop("notice", None)
    session.passive = True
    assert_type(session.increment("visits"), int)
    assert_type(session.id, str | None)
    assert_type(session.user_id, str | None)
    assert_type(session.authenticated_at, int | None)
    assert_type(session.end_reason, EndReason | None)
    return dict(mapping)


@app.post("/login")
async def log_in(session: CurrentSession, user: str) -> None:
    """No I/O: nothing is awaited."""
    session.login(user, remember=True)
    session.regenerate()


@app.post("/logout")
async def log_out(session: LoggedIn) -> None:
    """As FastAPI hands it over, a LoggedIn is a Session."""
    assert_type(session.logout(), None)


@app.post("/password")
async def change_password(session: Recent, request: Request) -> int:
    """The manager's methods are awaited."""
    assert session.user_id is not None
    ended = await manager.revoke_all(session.user_id, keep=session.id)
    assert_type(await manager.revoke("0" * 32), bool)
    assert_type(await manager.list(session.user_id), Sequence[SessionInfo])
    assert_type(await manager.get("0" * 32), SessionInfo | None)
    assert_type(await manager.stats(), Stats)
    return ended


def script() -> None:
    """The same without an event loop."""
    threads = SessionManager(open_store("sqlite:///sessions.db"), clock=lambda: 0, random=bytes)
    session = threads.open("sj1-…", Client("192.0.2.1", "curl"))
    session.login("ada")
    try:
        reply = threads.commit(session)
    except SessionEnded as error:
        assert_type(error.reason, EndReason | None)
    except SessionConflict as error:
        assert_type(error.keys, tuple[str, ...])
    except SojournError:
        raise
    else:
        assert_type(reply.max_age, int | None)
        assert_type(reply.clear, bool)
    for info in threads.scan(limit=10):
        data: Mapping[str, Any] = info.data
        assert_type(info.end_reason, EndReason | None)
        data.get("cart")
    assert_type(threads.delete_expired(lambda count: None), int)
    threads.close()


def every_store() -> tuple[list[Store], list[AsyncStore]]:
    """Each store of ours is one to mypy too."""
    return (
        [MemoryStore(), SQLiteStore("a.db"), open_store("memory:")],
        [AsyncMemoryStore(), AsyncMemoryStore(MemoryStore()), AsyncSQLiteStore("a.db"), open_async_store("memory:")],
    )
