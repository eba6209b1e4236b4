"""allauth.usersessions: its list asks the store of each session that it keeps, and does not open it by its key."""

from __future__ import annotations

from typing import Any

from django.apps import apps

from . import process
from .session_key import find_live

__all__ = ["ask_the_store"]


def ask_the_store() -> None:
    """Have allauth's UserSession judge itself so: it would open each session by its key, and take all for ended."""
    model: Any = apps.get_model("usersessions", "UserSession")
    model.purge = _purge


def _purge(kept: Any) -> bool:
    """As allauth's own: delete what is kept of a session that is over, or is another user's by now; whether it was."""
    manager = process.manager()
    id = find_live(manager, kept.session_key)
    found = manager.get(id) if id is not None else None
    if found is not None and found.user_id == str(kept.user_id):
        return False
    kept.delete()
    return True
