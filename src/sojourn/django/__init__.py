"""Sessions for Django: `SESSION_ENGINE = "sojourn.django"`, and what a project may use besides.

Names are looked up late: Django imports this package while it loads the applications, and asks for SessionStore when it
starts to serve. A wrong set-up is told then, not by the first visitor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

try:
    import django as _django  # noqa: F401  # looked for, not used
except ImportError as error:
    from sojourn.core.extras import install

    raise ImportError(f"sojourn.django needs Django: {install('django')}") from error

from sojourn.exports import late_exports

if TYPE_CHECKING:
    from .engine import SessionStore, session_of
    from .middleware import SessionMiddleware
    from .process import manager
    from .recent_login import RecentLoginRequiredMixin, recent_login_required

__all__ = [
    "RecentLoginRequiredMixin",
    "SessionMiddleware",
    "SessionStore",
    "manager",
    "recent_login_required",
    "session_of",
]

_HOMES = {
    "RecentLoginRequiredMixin": "recent_login",
    "SessionMiddleware": "middleware",
    "SessionStore": "engine",
    "manager": "process",
    "recent_login_required": "recent_login",
    "session_of": "engine",
}


_find = late_exports(__name__, _HOMES)


def __getattr__(name: str) -> Any:
    if name == "SessionStore":
        from .start import require_sound_setup

        require_sound_setup()
    return _find(name)
