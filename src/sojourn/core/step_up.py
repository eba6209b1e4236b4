"""Step-up: whether what a log-in proved, and when, is enough for what is asked (ASVS 7.5.1, 7.5.3). Pure."""

from __future__ import annotations

from collections.abc import Collection

from .errors import ConfigurationError, EndReason, LoginRequired, ReauthenticationRequired
from .login import LEVELS

__all__ = ["GRANT", "check_login", "grant_key", "is_granted", "refuse_grants"]

GRANT = "_grant:"
"""What the keys of one-time grants begin with, in a session's data."""


def check_login(
    user_id: str | None,
    since: int | None,
    proved: str | None,
    within: float | None,
    level: str | None,
    *,
    ended: EndReason | None,
    wants: str | None = None,
) -> str:
    """The user's id, where the log-in is recent enough and high enough.

    `since` is how many milliseconds ago it was. `wants` is a nonce where the session owes a proof of its key: then no
    log-in is enough. Raises LoginRequired where nobody is logged in, and ReauthenticationRequired.
    """
    if level is not None and level not in LEVELS:
        raise ConfigurationError(f"require_login(level={level!r}): give one of {', '.join(map(repr, LEVELS))}.")
    if user_id is None or since is None:
        raise LoginRequired(ended)
    too_low = level is not None and (proved is None or LEVELS.index(proved) < LEVELS.index(level))
    too_late = within is not None and (wants is not None or since > within * 1000)
    if too_low or too_late:
        raise ReauthenticationRequired(within, level, nonce=wants)
    return user_id


def grant_key(action: str) -> str:
    """The key of a session's data under which a one-time grant for `action` is kept."""
    if not isinstance(action, str) or not 1 <= len(action) <= 255:
        raise ConfigurationError("A grant is for an action with a name of 1 to 255 characters: 'transfer:42', say.")
    return GRANT + action


def is_granted(until: object, now: int) -> bool:
    """Whether a grant is still good at `now`."""
    return type(until) is int and now < until


def refuse_grants(keys: Collection[str]) -> None:
    """Raise ConfigurationError where a browser could write itself a grant."""
    if any(key.startswith(GRANT) for key in keys):
        raise ConfigurationError(
            f"Keys that begin with {GRANT!r} are one-time grants: no browser may read or write them."
        )
