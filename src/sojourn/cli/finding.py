"""Finding: one thing that a check has to say of settings."""

from __future__ import annotations

from typing import Literal, NamedTuple

__all__ = ["Finding"]


class Finding(NamedTuple):
    """One thing that is `wrong`, and keeps the service from its work, or `weak`; and the mend."""

    how: Literal["wrong", "weak"]
    text: str
