"""KeyedSession: a Session in which a key says who is logged in, as in session layers that know no log-in. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .session import Session

__all__ = ["KeyedSession", "keyed", "user_at"]


class KeyedSession(Session):
    """A Session for an application that logs in by `session["user_id"] = …`.

    To set what `user_key` leads to is a `login`, with a new id and token; to remove it, or to `clear()`, is a `logout`.
    What comes after a log-out starts a new session.
    """

    user_key: str = ""

    def __setitem__(self, key: str, value: Any) -> None:
        if key == self._first():
            user = user_at({key: value}, self.user_key)
            if user is not None:
                self.login(str(user))
            elif self.user_id is not None:
                self.logout()
        super().__setitem__(key, value)

    def __delitem__(self, key: str) -> None:
        if key == self._first() and key in self and self.user_id is not None:
            self.logout()
        else:
            super().__delitem__(key)

    def clear(self) -> None:
        """Log out: the browser's old cookie opens nothing any more."""
        self.logout()

    def _first(self) -> str:
        """The member of the session that `user_key` leads into."""
        return self.user_key.partition(".")[0]


def keyed(session: Session, user_key: str) -> None:
    """Make `session`, which a manager made, a KeyedSession."""
    kind = type(session)
    found = _KINDS.get(kind)
    if found is None:
        # A remote manager has a Session of its own.
        found = _KINDS[kind] = KeyedSession if kind is Session else type("KeyedSession", (KeyedSession, kind), {})
    session.__class__ = found
    assert isinstance(session, KeyedSession)
    session.user_key = user_key


def user_at(data: Mapping[Any, Any], path: str | None) -> object:
    """Who is logged in by `data`: the value at a key, or at one inside others, as in "passport.user"."""
    if path is None or path in data:
        return data.get(path)
    value: object = data
    for key in path.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


_KINDS: dict[type[Session], type[KeyedSession]] = {}
