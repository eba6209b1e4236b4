"""KeyedSession: a Session in which a key says who is logged in, as in session layers that know no log-in. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, cast

from .session import Session

__all__ = ["KeyedSession", "become", "keyed", "user_at", "user_member"]

K = TypeVar("K", bound="KeyedSession")


class KeyedSession(Session):
    """A Session for an application that logs in by `session["user_id"] = …`.

    To set what `user_key` leads to is a `login`, with a new id and token; to remove it, or to `clear()`, is a `logout`.
    What comes after a log-out starts a new session.
    """

    user_key: str | None = None
    _user_member: str | None = None  # the member of the session that it leads into

    def __setitem__(self, key: str, value: Any) -> None:
        if key == self._user_member:
            user = user_at({key: value}, self.user_key)
            if user is not None:
                self.login(str(user))
            elif self.user_id is not None:
                self.logout()
        super().__setitem__(key, value)

    def __delitem__(self, key: str) -> None:
        if key == self._user_member and key in self and self.user_id is not None:
            self.logout()
        else:
            super().__delitem__(key)

    def clear(self) -> None:
        """Log out: the browser's old cookie opens nothing any more."""
        self.logout()

    def _log_in_by(self, user_key: str | None) -> None:
        self.user_key, self._user_member = user_key, user_member(user_key)


def keyed(session: Session, user_key: str) -> None:
    """Make `session`, which a manager made, a KeyedSession."""
    become(session, KeyedSession)._log_in_by(user_key)


def become(session: Session, kind: type[K]) -> K:
    """`session`, which a manager made, as one of this kind of KeyedSession."""
    before = type(session)
    found = _KINDS.get((kind, before))
    if found is None:
        # A remote manager has a Session of its own.
        found = kind if before is Session else cast("type[K]", type(kind.__name__, (kind, before), {}))
        _KINDS[kind, before] = found
    session.__class__ = found
    return cast("K", session)


def user_member(user_key: str | None) -> str | None:
    """The member of a session that a `user_key` leads into: "passport" of "passport.user"."""
    return None if user_key is None else user_key.partition(".")[0]


def user_at(data: Mapping[Any, Any], path: str | None) -> object:
    """Who is logged in by `data`: the value at a key, or at one inside others, as in "passport.user"."""
    if path is None or path in data:
        return data.get(path)
    value: object = data
    for key in path.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


# Which class is both: by the kind that is asked for, and the one that a manager made.
_KINDS: dict[tuple[type[KeyedSession], type[Session]], type[KeyedSession]] = {}
