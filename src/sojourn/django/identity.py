"""Identity: what Django's auth keeps in a session's data, told to the session itself: who is logged in."""

from __future__ import annotations

from collections.abc import Mapping

from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY, get_user_model

from sojourn.core.codec import decode
from sojourn.core.session import Session
from sojourn.core.store import Change

__all__ = ["hash_before", "password_changed", "settle_user"]


def settle_user(session: Session, changes: Mapping[str, Change]) -> None:
    """Note a log-in or a log-out in the session where the request's `changes` of its data are one."""
    if SESSION_KEY not in changes:
        return
    # Some write user.pk, a number: a user's id is text.
    value = session.get(SESSION_KEY)
    user_id = None if value is None else str(value)
    if user_id == session.user_id:
        return
    if session.user_id is not None:
        # Somebody else from here on, or nobody: what was put into the data stays, the session does not.
        data = dict(session)
        session.logout()
        session.update(data)
        session.start()
    if user_id is not None:
        session.login(user_id)


def hash_before(session: Session, changes: Mapping[str, Change]) -> str | None:
    """The hash of the user's password that the same user's next one takes the place of; None where none does."""
    change = changes.get(HASH_SESSION_KEY)
    if change is None or SESSION_KEY in changes or session.user_id is None or change.value is None:
        return None
    before = decode(change.base) if change.base else None
    return before or None


def password_changed(user_id: str, before: str) -> bool:
    """Whether `before` is the hash of another password than the user has now: update_session_auth_hash leaves it so.

    May read the database, for where SECRET_KEY was renewed, Django writes the hash anew, of the same password.
    """
    return not settings.SECRET_KEY_FALLBACKS or not _hash_of_old_key(user_id, before)


def _hash_of_old_key(user_id: str, hash: str) -> bool:
    user = get_user_model()._default_manager.filter(pk=user_id).first()
    fallbacks = getattr(user, "get_session_auth_fallback_hash", None)
    return fallbacks is not None and hash in fallbacks()
