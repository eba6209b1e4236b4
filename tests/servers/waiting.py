"""wait_until: a condition at a real server, waited for with a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["wait_until"]


def wait_until(condition: Callable[[], bool], what: str, patience: float = 30.0) -> None:
    """Ask `condition`, where OSError means not yet, until it holds. TimeoutError says `what` was waited for."""
    deadline = time.monotonic() + patience
    while not _holds(condition):
        if time.monotonic() > deadline:
            raise TimeoutError(f"Waited {patience:g} s in vain for this: {what}.")
        time.sleep(0.01)


def _holds(condition: Callable[[], bool]) -> bool:
    try:
        return condition()
    except OSError:
        return False
