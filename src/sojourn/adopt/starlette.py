"""StarletteCookie: the signed cookie of Starlette's SessionMiddleware, FastAPI's too."""

from __future__ import annotations

from sojourn.core.cookie import CookieOptions

from .json_text import json_object
from .layer import Old, user_at
from .signed import Signed, keys_of, unpacked

__all__ = ["StarletteCookie"]


class StarletteCookie:
    """Sessions of `starlette.middleware.sessions.SessionMiddleware`, the arguments named as there.

    `user_key` is where your application kept the user's id in the session; None where nobody logs in. `max_age` is in
    seconds, None for no end. Raises ConfigurationError without itsdangerous.
    """

    kind = "starlette"

    def __init__(
        self,
        secret_key: str,
        *,
        user_key: str | None,
        session_cookie: str = "session",
        max_age: int | None = 14 * 86400,
        path: str = "/",
        domain: str | None = None,
    ) -> None:
        self.cookie = CookieOptions(name=session_cookie, path=path, domain=domain)
        # Starlette's own Secret shows its value to str() alone.
        self._signed = Signed(keys_of(str(secret_key)))
        self._user_key = user_key
        self._max_age = max_age

    def verify(self, value: str, now: int) -> str | None:
        """As Layer.verify."""
        signed = self._signed.fresh(value, self._max_age, now)
        return signed.key if signed else None

    def read(self, key: str, now: int) -> Old | None:
        """As Layer.read: the cookie is the session."""
        data = json_object(unpacked(key.rpartition(".")[0], urlsafe=False))
        # The cookie is signed anew by every request that changes something, so it does not bound the session.
        return None if data is None else Old(data, user_at(data, self._user_key))

    def retire(self, key: str) -> None:
        """As Layer.retire: there is nothing on the server."""
