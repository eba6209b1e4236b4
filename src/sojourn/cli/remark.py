"""Remark: one thing that a check has to say of settings."""

from __future__ import annotations

from typing import Literal, NamedTuple

__all__ = ["Remark"]


class Remark(NamedTuple):
    """One thing that is `wrong`, and keeps the service from its work, or `weak`; and the mend."""

    how: Literal["wrong", "weak"]
    text: str
