"""ASGI's three words."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

__all__ = ["App", "Message", "Receive", "Scope", "Send"]

# Any: ASGI's own messages hold values of many types under text keys.
Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
# Any: frameworks have types of their own for the three, which fit no others.
App = Callable[[Any, Any, Any], Awaitable[None]]
