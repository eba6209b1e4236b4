"""FlaskSession: a Session with what Flask's documentation says of `flask.session`. No I/O."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Any

from flask.json.tag import TaggedJSONSerializer
from flask.sessions import SessionMixin

from sojourn.core.changes import changed
from sojourn.core.login import Level
from sojourn.core.session import Session

__all__ = ["FlaskSession", "as_flask_session"]

FLASHES = "_flashes"
# What Flask-Login keeps: who is logged in, and whether that was just now proved.
LOGIN_KEY = "_user_id"
FRESH = "_fresh"

_tagged = TaggedJSONSerializer()


class FlaskSession(Session, SessionMixin):
    """The request's Session, as `flask.session`.

    Under `user_key` the application, or Flask-Login, keeps who is logged in: to set it is a `login`, with a new id
    and token, and to remove it, or to `clear()`, is a `logout`. What comes after a log-out starts a new session.
    """

    user_key: str | None = LOGIN_KEY
    _permanent = False

    def __getitem__(self, key: str) -> Any:
        value = super().__getitem__(key)
        # Flask flashes tuples, and Markup in them. JSON has no such things, and Flask's own words for them.
        return _tagged.loads(json.dumps(value)) if key == FLASHES else value

    def __setitem__(self, key: str, value: Any) -> None:
        if key == self.user_key:
            self._set_user(value)
        elif key == FRESH and value is True:
            self._confirm()
        super().__setitem__(key, json.loads(_tagged.dumps(value)) if key == FLASHES else value)

    def __delitem__(self, key: str) -> None:
        if key == self.user_key and key in self:
            self.logout()
        else:
            super().__delitem__(key)

    def clear(self) -> None:
        """Log out: as with Flask's own sessions, the browser's old cookie opens nothing any more."""
        self.logout()

    def login(
        self,
        user_id: str,
        *,
        remember: bool = False,
        level: Level | None = None,
        methods: Sequence[str] = (),
        keep: Collection[str] | None = None,
    ) -> None:
        """As Session.login; a session that was made `permanent` is remembered."""
        super().login(user_id, remember=remember or self._permanent, level=level, methods=methods, keep=keep)

    @property
    def permanent(self) -> bool:
        """Whether the cookie outlives the browser: Flask's name for `login(remember=True)`, in force with a log-in."""
        self._accessed = True
        login, live = self._login, self._live
        if login is not None:
            return login.remember
        return live.remember if live is not None and live.user_id is not None else self._permanent

    @permanent.setter
    def permanent(self, value: bool) -> None:
        """Whether this request's log-in, before or after, is to be remembered."""
        self._permanent = bool(value)
        if self._login is not None:
            self._login = self._login._replace(remember=self._permanent)

    @property
    def new(self) -> bool:  # type: ignore[override]  # Flask says an attribute; so it looks
        """Whether no session existed before this request."""
        return self.status != "active"

    @property
    def modified(self) -> bool:
        """Whether this request changed something, however deep. Setting it does nothing: changes are found."""
        self._accessed = True
        return bool(self._wish) or self._logged_out or bool(changed(self._base, self._values))

    @modified.setter
    def modified(self, value: bool) -> None:
        """Nothing."""

    def _set_user(self, user: Any) -> None:
        if user is not None:
            self.login(str(user))
        elif self.user_id is not None:
            self.logout()

    def _confirm(self) -> None:
        """Flask-Login's confirm_login: the user of an old log-in has proved anew who they are."""
        live = self._live
        if live is not None and live.user_id is not None and self._login is None and self.get(FRESH) is False:
            self.login(live.user_id, remember=live.remember)


def as_flask_session(session: Session, user_key: str | None) -> FlaskSession:
    """`session`, which a manager made, as a FlaskSession."""
    kind = type(session)
    found = _KINDS.get(kind)
    if found is None:
        # A remote manager has a Session of its own.
        found = _KINDS[kind] = FlaskSession if kind is Session else type("FlaskSession", (FlaskSession, kind), {})
    session.__class__ = found
    assert isinstance(session, FlaskSession)
    if user_key != LOGIN_KEY:
        session.user_key = user_key
    return session


_KINDS: dict[type[Session], type[FlaskSession]] = {}
