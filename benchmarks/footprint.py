"""Footprint: the bytes of Redis' memory that one session takes, its key and Redis' own share with it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec

from sojourn import AsyncSessionManager
from sojourn.stores.redis import AsyncRedisStore
from tests.servers.redis import RedisServer

from .network_peers import REDIS
from .session_file import BROWSER, SESSIONS_OF_A_USER
from .shop import SESSION

__all__ = ["SESSIONS", "Footprint", "of_server", "of_users"]

SESSIONS = 1000


class Footprint(msgspec.Struct, frozen=True):
    """Bytes per session by MEMORY USAGE: of its own key, and of what lists a user's sessions."""

    peer: str
    session: float
    index: float


async def of_server(peer: str, server: RedisServer, fill: Callable[[], Awaitable[object]]) -> Footprint:
    """What `fill`, which makes 1,000 new sessions, leaves on a server that had none."""
    server.clear()
    await fill()
    sessions: list[int] = []
    others: list[int] = []
    for key in server.ask("KEYS", "*"):
        # A user's index is a sorted set of ours, and a hash of fastapi-redis-sdk's, as its sessions are.
        is_index = "sessions-of:" in key or server.ask("TYPE", key) == "zset"
        found = others if is_index else sessions
        found.append(server.ask("MEMORY", "USAGE", key, "SAMPLES", 0))
    assert len(sessions) == SESSIONS, f"{peer} made {len(sessions)} sessions of {SESSIONS}"
    return Footprint(peer, sum(sessions) / SESSIONS, sum(others) / SESSIONS)


async def of_users(server: RedisServer) -> Footprint:
    """Sojourn's, of users who are logged in on a few devices."""
    manager = AsyncSessionManager(AsyncRedisStore(server.url))

    async def fill() -> None:
        for n in range(SESSIONS):
            session = manager.anonymous(BROWSER)
            session.update(SESSION)
            session.login(f"user-{n // SESSIONS_OF_A_USER}")
            await manager.commit(session)

    found = await of_server(f"{REDIS}, logged in", server, fill)
    await manager.close()
    return found
