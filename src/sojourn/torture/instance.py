"""Instance: one process of the application, as the races use it: a store of its own, and managers over it."""

from __future__ import annotations

import asyncio
import inspect
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple, TypeVar, cast

from sojourn.core.async_store import AsyncStore
from sojourn.core.codec import encode
from sojourn.core.events import Event
from sojourn.core.policy import Policy
from sojourn.core.session import Session
from sojourn.core.store import Store
from sojourn.manager import AsyncSessionManager, SessionManager, milliseconds

__all__ = ["DEFAULT_POLICY", "DUE_POLICY", "Instance", "Visitor", "without_waiting"]

DEFAULT_POLICY = Policy()
# Every request is due to be touched and its secret to be renewed, so that even a reader writes.
DUE_POLICY = Policy(touch_interval=0, rotate_interval=0)

OWNER = "owner"

T = TypeVar("T")


class Visitor(NamedTuple):
    """A browser. `owner` is what its session's data says of whose it is: no other token may ever show it."""

    token: str
    owner: str
    user: str | None

    @property
    def id(self) -> str:
        """The public id in the token."""
        return self.token[4:36]


class Instance:
    """What a race's functions are given in each process. They are coroutines; with a store for threads none waits."""

    def __init__(self, store: Store | AsyncStore, report: Callable[[Any], None]) -> None:
        self.store = store
        # For how many seconds the store's cache may show what is over.
        self.staleness = float(getattr(store, "max_staleness", 0.0))
        self.waits = inspect.iscoroutinefunction(store.get)
        self.report = report
        # Requests that have opened their session and not committed it yet.
        self.under_way: dict[object, Session] = {}
        self.opened = 0
        self.strangers = 0
        self._lock = threading.Lock()

    def manager(
        self,
        policy: Policy = DEFAULT_POLICY,
        *,
        now: int | None = None,
        skew: int = 0,
        realm: str = "",
        on_event: Callable[[Event], None] | None = None,
    ) -> AsyncSessionManager:
        """A manager over the store, at the moment `now`, or by a clock that is `skew` milliseconds ahead."""
        clock = (lambda: milliseconds() + skew) if now is None else lambda: now
        if self.waits:
            store = cast(AsyncStore, self.store)
            return AsyncSessionManager(store, policy, realm=realm, on_event=on_event, clock=clock)
        manager = SessionManager(cast(Store, self.store), policy, realm=realm, on_event=on_event, clock=clock)
        return cast(AsyncSessionManager, _Awaited(manager))

    async def bar(self, now: int, realm: str) -> None:
        """As Store.bar."""
        if self.waits:
            await cast(AsyncStore, self.store).bar(now, realm)
        else:
            cast(Store, self.store).bar(now, realm)

    async def open(self, visitor: Visitor, manager: AsyncSessionManager | None = None) -> Session:
        """What the visitor's token opens; another one's session is counted."""
        session = await (manager or self.manager()).open(visitor.token)
        # Looked at in the record: reading it from the session would count as a use of the data.
        owner = session._live.data.get(OWNER) if session._live else None
        stranger = owner is not None and owner != encode(visitor.owner)
        with self._lock:
            self.opened += 1
            self.strangers += stranger
        return session

    async def eventually(self, look: Callable[[], Coroutine[Any, Any, T]], wanted: Callable[[T], bool]) -> T:
        """What `look` returns: once it is `wanted`, or when the store's cache may be stale no longer."""
        give_up = time.monotonic() + self.staleness
        while True:
            began = time.monotonic()
            seen = await look()
            if wanted(seen) or began >= give_up:
                return seen
            await self.pause(0.005)

    async def pause(self, seconds: float) -> None:
        """Let others run: the event loop's other tasks, or other threads."""
        if self.waits:
            await asyncio.sleep(seconds)
        else:
            time.sleep(seconds)  # noqa: ASYNC251  # this instance has threads, and no event loop


class _Awaited:
    """A SessionManager whose methods are awaited though none waits, so that a race is written once for both."""

    def __init__(self, manager: SessionManager) -> None:
        self._manager = manager
        self.anonymous = manager.anonymous
        self.clock = manager.clock
        self.realm = manager.realm

    def __getattr__(self, name: str) -> Callable[..., Coroutine[Any, Any, Any]]:
        method = getattr(self._manager, name)

        async def call(*args: Any, **named: Any) -> Any:
            return method(*args, **named)

        return call


def without_waiting(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that never waits, in a thread without an event loop."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return cast(T, done.value)
    coroutine.close()
    raise RuntimeError("It waits for an event loop, and this instance has none.")
