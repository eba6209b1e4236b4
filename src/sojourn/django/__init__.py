"""Sessions for Django: `SESSION_ENGINE = "sojourn.django"`, and what a project may use besides.

Names are looked up late: Django imports this package while it loads the applications, and asks for SessionStore when it
starts to serve. A wrong set-up is told then, not by the first visitor.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

try:
    import django as _django  # noqa: F401  # looked for, not used
except ImportError as error:
    raise ImportError("sojourn.django needs Django: pip install 'sojourn[django]'") from error

if TYPE_CHECKING:
    from .engine import SessionStore, session_of
    from .middleware import SessionMiddleware
    from .process import manager

__all__ = ["SessionMiddleware", "SessionStore", "manager", "session_of"]

_HOMES = {"SessionMiddleware": "middleware", "SessionStore": "engine", "manager": "process", "session_of": "engine"}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name == "SessionStore":
        from .start import require_sound_setup

        require_sound_setup()
    found = globals()[name] = getattr(import_module(f".{home}", __name__), name)
    return found
