"""The operator: who runs this process, by the operating system."""

from __future__ import annotations

import os

__all__ = ["operator"]


def operator() -> str:
    """As Event.by spells it. It is the user of the process, which no variable of the environment can change."""
    uid = os.getuid()
    try:
        import pwd

        name = pwd.getpwuid(uid).pw_name
    except (ImportError, KeyError):
        name = ""
    return f"cli:{name or uid}"
