"""Unfinished: a coroutine that was begun where it was made, without a task. What waits for nothing is done by then."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from functools import partial
from typing import Any, Generic, TypeVar

__all__ = ["Unfinished", "begin"]

T = TypeVar("T")


class Unfinished(Generic[T]):
    """A coroutine that waits, or has failed. To await it, once and in any task, is to go on with it."""

    __slots__ = ("_coroutine", "_error", "_waits_for")

    def __init__(self, coroutine: Coroutine[Any, Any, T], waits_for: Any, error: BaseException | None = None) -> None:
        self._coroutine = coroutine
        self._waits_for = waits_for
        self._error = error

    def __await__(self) -> Generator[Any, Any, T]:
        """What the coroutine returns, or raises."""
        if self._error is not None:
            raise self._error
        while True:
            step: Callable[[], Any]
            try:
                step = partial(self._coroutine.send, (yield self._waits_for))
            except BaseException as error:  # noqa: BLE001  # the coroutine's to judge: it may be a cancellation
                step = partial(self._coroutine.throw, error)
            try:
                self._waits_for = step()
            except StopIteration as done:
                value: T = done.value
                return value


def begin(coroutine: Coroutine[Any, Any, T]) -> T | Unfinished[T]:
    """What `coroutine` returns where it waits for nothing, else the coroutine, begun.

    Until it waits it belongs to whoever calls this, and to no task of its own: it must not ask which one it runs in, as
    asyncio's timeouts do.
    """
    try:
        waits_for = coroutine.send(None)
    except StopIteration as done:
        value: T = done.value
        return value
    except BaseException as error:  # noqa: BLE001  # for whoever awaits it
        return Unfinished(coroutine, None, error)
    return Unfinished(coroutine, waits_for)
