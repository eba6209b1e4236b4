"""How to connect: redis-py's connection classes, with what a location says of them."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from redis import connection as synchronous
from redis.asyncio import connection as asynchronous
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from sojourn.core.errors import ConfigurationError

from .calls import Address
from .url import Location

__all__ = ["async_connect", "connect"]

# So that no router in between forgets a connection that is idle: the kernel sends a sign of life after 15 s, and gives
# the connection up after three that are not answered. By what each system calls it; one that has no such name has none.
_KEEPALIVE = {
    getattr(socket, name): value
    for name, value in (("TCP_KEEPIDLE", 15), ("TCP_KEEPALIVE", 15), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3))
    if hasattr(socket, name)
}


def connect(
    location: Location, address: Address, timeout: float, *, to_sentinel: bool = False, **more: Any
) -> Callable[[], synchronous.AbstractConnection]:
    """What makes a connection to `address`, for threads. Raises ConfigurationError for options that there are not."""
    return _maker(synchronous, Retry(NoBackoff(), 0), location, address, timeout, to_sentinel, more)


def async_connect(
    location: Location, address: Address, timeout: float, *, to_sentinel: bool = False, **more: Any
) -> Callable[[], asynchronous.AbstractConnection]:
    """The same for an event loop."""
    more.setdefault("socket_timeout", None)  # AsyncNode's trips have one of their own
    return _maker(asynchronous, AsyncRetry(NoBackoff(), 0), location, address, timeout, to_sentinel, more)


def _maker(
    module: Any, retry: Any, location: Location, address: Address, timeout: float, to_sentinel: bool, more: Any
) -> Callable[[], Any]:
    host, port = address
    options = {
        "retry": retry,  # what may be sent again is ours to judge
        "driver_info": None,
        "socket_timeout": timeout,
        "socket_connect_timeout": timeout,
        **({"socket_keepalive_options": _KEEPALIVE} if port else {}),
        **(location.sentinel_options if to_sentinel else location.options),
        **({"host": host, "port": port} if port else {"path": host}),
        "protocol": 2,  # nothing comes unasked
        **more,
    }
    kind = module.Connection if port else module.UnixDomainSocketConnection
    if location.tls:
        kind = module.SSLConnection

    def make() -> Any:
        return kind(**options)

    try:
        make()
    except TypeError as error:
        raise ConfigurationError(f"The URL of Redis has an option that redis-py has not: {error}.") from None
    except (RedisError, ValueError) as error:
        more_to_say = ". Write none, optional or required" if "Certificate Requirements" in str(error) else ""
        raise ConfigurationError(f"The URL of Redis cannot be used: {error}{more_to_say}.") from None
    return make
