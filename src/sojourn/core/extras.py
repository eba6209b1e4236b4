"""install: how a missing extra is installed, said in one way wherever one is missed."""

from __future__ import annotations

__all__ = ["install"]


def install(extra: str) -> str:
    """What to run for the extra. No index has the package, so it is installed from a checkout."""
    return f"pip install '.[{extra}]' in a checkout of Sojourn"
