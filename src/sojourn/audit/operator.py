"""The operator: who runs this process, by the operating system."""

from __future__ import annotations

import os

__all__ = ["operator"]


def operator() -> str:
    """As Event.by spells it. On Unix it is the user of the process, which no variable of the environment can change."""
    try:
        import pwd
    except ImportError:
        import getpass

        return f"cli:{getpass.getuser()}"
    try:
        return f"cli:{pwd.getpwuid(os.getuid()).pw_name}"
    except KeyError:
        return f"cli:{os.getuid()}"
