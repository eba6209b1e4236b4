"""FlaskSession: a Session with what Flask's documentation says of `flask.session`. No I/O."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence, Set
from typing import Any

from flask.json.tag import TaggedJSONSerializer
from flask.sessions import SessionMixin

from sojourn.core.changes import changed
from sojourn.core.login import Level
from sojourn.core.merge import MISSING
from sojourn.core.session import Session
from sojourn.core.user_key import KeyedSession, become

__all__ = ["FlaskSession", "as_flask_session"]

FLASHES = "_flashes"
# What Flask-Login keeps: who is logged in, and whether that was just now proved.
LOGIN_KEY = "_user_id"
FRESH = "_fresh"
OF_LOGIN = {FRESH, "_id"}

_tagged = TaggedJSONSerializer()


class FlaskSession(KeyedSession, SessionMixin):
    """The request's Session, as `flask.session`: a KeyedSession, as Flask-Login keeps who is logged in under a key.

    A log-out drops what was loaded; what the same request has set, a flash say, begins a new session, as does what
    comes after. `clear()` drops both.
    """

    user_key: str | None = LOGIN_KEY
    _user_member: str | None = LOGIN_KEY
    _permanent = False
    _said: Set[str] = frozenset()  # the keys that this request has set
    _answered = False  # the whole answer is made
    _modified: bool | None = None
    _noted: tuple[Mapping[str, bytes], dict[str, Any]] | None = None  # what was loaded and set, when that was committed

    def __getitem__(self, key: str) -> Any:
        value = super().__getitem__(key)
        # Flask flashes tuples, and Markup in them. JSON has no such things, and Flask's own words for them.
        return _tagged.loads(json.dumps(value)) if key == FLASHES else value

    def __setitem__(self, key: str, value: Any) -> None:
        if key == FRESH and value is True:
            self._confirm()
        super().__setitem__(key, json.loads(_tagged.dumps(value)) if key == FLASHES else value)
        self._said = {*self._said, key} if self._said else {key}

    def __delitem__(self, key: str) -> None:
        if key == FLASHES and self._answered and key in self:
            # A test that looks at the flashes of the answer it was given, `with client:`; nothing is written.
            self._values[key] = MISSING
        else:
            super().__delitem__(key)

    def logout(self) -> None:
        """End the session: what was loaded goes, and its token opens nothing any more; what this request set stays."""
        dropped = OF_LOGIN | {self._user_member} | self._counters.keys()
        said = {key: self._values[key] for key in self._said - dropped if key in self._values}
        super().logout()
        self._values = {key: value for key, value in said.items() if value is not MISSING}

    def clear(self) -> None:
        """Log out: as with Flask's own sessions, the browser's old cookie opens nothing any more."""
        self._said = frozenset()
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
        """Whether this request changed something, however deep. Changes are found: True need not be set."""
        self._accessed = True
        if self._modified is not None:
            return self._modified
        return bool(self._wish) or self._logged_out or bool(changed(*(self._noted or (self._base, self._values))))

    @modified.setter
    def modified(self, value: bool) -> None:
        """False takes back what this request changed so far, but for a log-in or log-out; True only says True."""
        self._modified, self._noted = True if value else None, None
        if not value and not self._logged_out and self._login is None:
            self._allow_change()
            self._values, self._counters, self._said = {}, {}, frozenset()

    def note_answer(self, *, whole: bool) -> None:
        """The answer is made, as a `whole` or to be streamed: what is committed was a change all the same."""
        self._answered = whole
        if self._wish or self._logged_out:
            self._modified = True
        elif self._values:
            # Compared when somebody asks: hardly anybody does.
            self._noted = self._base, dict(self._values)

    def _confirm(self) -> None:
        """Flask-Login's confirm_login: the user of an old log-in has proved anew who they are."""
        live = self._live
        if live is not None and live.user_id is not None and self._login is None and self.get(FRESH) is False:
            self.login(live.user_id, remember=live.remember)


def as_flask_session(session: Session, user_key: str | None) -> FlaskSession:
    """`session`, which a manager made, as a FlaskSession."""
    found = become(session, FlaskSession)
    if user_key != LOGIN_KEY:
        found._log_in_by(user_key)
    return found
