"""Session ids as a person gives them: whole, or the first digits where these name only one."""

from __future__ import annotations

import re

import click

from sojourn.core.info import SessionInfo
from sojourn.manager import SessionManager

__all__ = ["find_session"]

_SHAPE = re.compile("[0-9a-f]{4,32}").fullmatch
_TOKEN = re.compile("sj1-.*", re.IGNORECASE | re.DOTALL).fullmatch


def find_session(manager: SessionManager, text: str) -> SessionInfo | None:
    """The session whose id is `text` or begins with it, or None. Raises UsageError where two begin so."""
    if _TOKEN(text):
        # Not repeated: whoever reads it may take the session over.
        raise click.UsageError(
            "That is a token, a secret, not an id. Its id is the 32 digits after 'sj1-'. "
            "The token is in your shell's history now: revoke that session."
        )
    id = text.lower()
    if not _SHAPE(id):
        raise click.UsageError("An id is 32 hex digits, or the first 4 or more of them, as `sojourn list` shows them.")
    if len(id) == 32:
        return manager.get(id)
    # A shorter id sorts right before those that begin with it.
    found = [session for session in manager.scan(id, 2) if session.id.startswith(id)]
    if len(found) > 1:
        raise click.UsageError(f"More than one session's id begins with {id}. Give more of it.")
    return found[0] if found else None
