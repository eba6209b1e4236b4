"""FlaskCookie: the signed cookie of Flask's own sessions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sojourn.core.cookie import CookieOptions

from .json_text import json_object
from .layer import Old, user_at
from .signed import Secret, Signed, keys_of, unpacked

__all__ = ["FlaskCookie"]

# Flask's marks for what JSON has no word for. Lists and text there is a word for.
TUPLE, MARKUP, ESCAPED = " t", " m", " di"
NOT_JSON = (" b", " u", " d")


class FlaskCookie:
    """Sessions in Flask's signed cookie. `secret_key` is the app's, or several with those of SECRET_KEY_FALLBACKS.

    `user_key` is where the user's id is in the session: Flask-Login's by default. `lifetime` is
    PERMANENT_SESSION_LIFETIME; `session_cookie`, `path` and `domain` are SESSION_COOKIE_NAME, _PATH and _DOMAIN. Raises
    ConfigurationError without itsdangerous.
    """

    kind = "flask"

    def __init__(
        self,
        secret_key: Secret | Sequence[Secret],
        *,
        user_key: str | None = "_user_id",
        session_cookie: str = "session",
        lifetime: timedelta = timedelta(days=31),
        path: str = "/",
        domain: str | None = None,
    ) -> None:
        self.cookie = CookieOptions(name=session_cookie, path=path, domain=domain)
        self._signed = Signed(keys_of(secret_key), salt="cookie-session", derivation="hmac")
        self._user_key = user_key
        self._max_age = lifetime.total_seconds()

    def verify(self, value: str, now: int) -> str | None:
        """As Layer.verify."""
        signed = self._signed.fresh(value, self._max_age, now)
        return signed.key if signed else None

    def read(self, key: str, now: int) -> Old | None:
        """As Layer.read: the cookie is the session."""
        found = json_object(unpacked(key.rpartition(".")[0], urlsafe=True))
        data = None if found is None else _untagged(found)
        if not isinstance(data, dict):
            return None
        # Flask's word for a cookie that outlives the browser.
        data.pop("_permanent", None)
        return Old(data, user_at(data, self._user_key))

    def retire(self, key: str) -> None:
        """As Layer.retire: there is nothing on the server."""


class _NotJson:
    """Stands for bytes, a UUID or a date, so that it stays behind."""


def _untagged(value: Any) -> Any:
    """`value` without the marks of flask.json.tag; what they mark as no JSON, as what is none."""
    if isinstance(value, list):
        return [_untagged(member) for member in value]
    if not isinstance(value, dict):
        return value
    members = {key: _untagged(member) for key, member in value.items()}
    if len(members) != 1:
        return members
    [(tag, inner)] = members.items()
    if tag in NOT_JSON:
        return _NotJson()
    if tag in (TUPLE, MARKUP):
        return inner
    if tag == ESCAPED and isinstance(inner, dict) and len(inner) == 1:
        [(name, escaped)] = inner.items()
        return {name[:-2]: escaped}
    return members
