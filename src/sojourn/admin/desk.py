"""Desk: all that the pages work with."""

from __future__ import annotations

from sojourn.audit.trail import AuditTrail
from sojourn.core.async_store import AsyncStore
from sojourn.core.policy import Policy
from sojourn.manager import AsyncSessionManager

from .acts import Acts
from .census import Census
from .operators import KeyDesk, Operators
from .search import Searches
from .throttle import Throttle

__all__ = ["Desk"]


class Desk:
    """The sessions of a realm, who may look after them, and what that needs in this process.

    `policy` is None where the program does not know the application's, `keys` where it knows of no API keys, `trail`
    where it writes none.
    """

    def __init__(
        self,
        store: AsyncStore,
        manager: AsyncSessionManager,
        operators: Operators,
        *,
        policy: Policy | None,
        keys: KeyDesk | None,
        trail: AuditTrail | None = None,
    ) -> None:
        self.store, self.manager, self.operators = store, manager, operators
        self.policy, self.keys, self.trail = policy, keys, trail
        self.census = Census(store, manager.realm, manager.clock)
        self.searches = Searches(store, manager.realm, manager.clock)
        self.acts = Acts(manager, trail)
        self.throttle = Throttle()

    async def close(self) -> None:
        """Let go of what goes on aside of requests."""
        await self.census.close()
        await self.searches.close()
        await self.acts.close()
