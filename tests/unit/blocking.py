"""Blocking: the manager of an event loop, asked as the one of threads is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from sojourn import AsyncSessionManager

__all__ = ["Blocking"]


class Blocking:
    """An AsyncSessionManager whose methods are run to their end, so that one test asks both."""

    def __init__(self, manager: AsyncSessionManager) -> None:
        self._manager = manager

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._manager, name)
        return partial(_run, found) if asyncio.iscoroutinefunction(found) else found


def _run(method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    return asyncio.run(method(*args, **kwargs))
