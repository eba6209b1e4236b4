"""Session ids as a person gives them: whole, or the first digits where these name only one."""

from __future__ import annotations

import re

import click

from sojourn.core.record import Record
from sojourn.core.store import Store

__all__ = ["find_record"]

# Of those that begin so: another realm may have some of them.
LOOKED_AT = 100

_SHAPE = re.compile("[0-9a-f]{4,32}").fullmatch
_TOKEN = re.compile("sj1-.*", re.IGNORECASE | re.DOTALL).fullmatch


def find_record(store: Store, text: str, realm: str | None) -> Record | None:
    """The session whose id is `text` or begins with it, or None; of `realm`, or where that is None of any.

    Raises UsageError where two begin so.
    """
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
        record = store.get(id)
        return record if record and realm in (None, record.realm) else None
    # A shorter id sorts right before those that begin with it.
    found = [
        record for record in store.scan(id, LOOKED_AT) if record.id.startswith(id) and realm in (None, record.realm)
    ]
    if len(found) > 1:
        raise click.UsageError(f"More than one session's id begins with {id}. Give more of it.")
    return found[0] if found else None
