"""Which of the two kinds a store is of, for threads or for an event loop, judged before its first use."""

from __future__ import annotations

from inspect import iscoroutinefunction

from .errors import ConfigurationError

__all__ = ["require_async", "require_threads"]


def require_threads(store: object, taker: str) -> None:
    """Raise ConfigurationError for a store whose methods must be awaited, where `taker` cannot."""
    if iscoroutinefunction(getattr(store, "get", None)):
        raise ConfigurationError(
            f"{taker} is for threads, and {type(store).__name__} for an event loop. Take open_store(), or the "
            f"Async{taker}."
        )


def require_async(store: object, taker: str) -> None:
    """Raise ConfigurationError for a store whose methods block, where `taker` must await them."""
    if store is not None and not iscoroutinefunction(getattr(store, "get", None)):
        raise ConfigurationError(
            f"{taker} is for an event loop, and {type(store).__name__} for threads: its methods are no coroutines. "
            f"Take open_async_store(), or the {taker.removeprefix('Async')}."
        )
