"""Session: what a handler sees. It only notes what is wanted; the manager's commit does it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from .codec import is_unicode
from .data import Data
from .errors import ConfigurationError, EndReason, SojournError, StoreUnavailable
from .record import Client, Record

__all__ = ["Login", "Session", "Status"]

Status = Literal["none", "active", "ended"]


class Login(NamedTuple):
    """A log-in that was asked for and is not committed yet."""

    user_id: str
    remember: bool


class Session(Data):
    """A mapping of str to JSON values, with who and since when. Nothing here does I/O.

    `passive = True` keeps this request from counting as activity: polling must not keep a session alive.
    Times are Unix milliseconds. After `login` or `regenerate` the `id` is the new one from the commit on.
    """

    passive: bool = False
    logged_out: bool = False
    merged: Mapping[str, bool] = {}
    _end_reason: EndReason | None = None
    _login: Login | None = None
    _leaving: Record | None = None
    _regenerate: bool = False
    _start: bool = False

    def __init__(
        self,
        record: Record | None,
        opened_at: int,
        client: Client,
        shown: bytes | None = None,
        presented: bool = False,
        end_reason: EndReason | None = None,
    ) -> None:
        self._base = {} if record is None or end_reason else record.data
        self._values = {}
        self._record = record
        if end_reason:
            self._end_reason = end_reason
        self.opened_at = opened_at
        self.client = client
        self.shown = shown
        self.presented = presented

    @property
    def live(self) -> Record | None:
        """The record that a commit would change; None before the session exists and after its end."""
        return None if self._end_reason else self._record

    @property
    def record(self) -> Record | None:
        """What was loaded, or written last. Not for a page: it holds the secrets' hashes."""
        self.accessed = True
        return self._record

    @property
    def status(self) -> Status:
        """Whether there is a session, or was one that ended."""
        self.accessed = True
        if self._end_reason:
            return "ended"
        return "active" if self._record else "none"

    @property
    def end_reason(self) -> EndReason | None:
        """Why the session ended, if it did and the store still knows."""
        self.accessed = True
        return self._end_reason

    @property
    def id(self) -> str | None:
        """The public name, safe to log and to list; None before the session's first commit."""
        self.accessed = True
        return self._record.id if self._record else None

    @property
    def user_id(self) -> str | None:
        """Who is logged in, or None."""
        self.accessed = True
        if self._login:
            return self._login.user_id
        live = self.live
        return live.user_id if live else None

    @property
    def authenticated_at(self) -> int | None:
        """When the user last proved who they are, or None."""
        self.accessed = True
        if self._login:
            return self.opened_at
        live = self.live
        return live.authenticated_at if live else None

    def start(self) -> None:
        """Make a session even if nothing is put in it. An active one stays as it is."""
        self._allow_change()
        self._start = True

    def login(self, user_id: str, *, remember: bool = False) -> None:
        """Tie a user to a new session with a new id and token; the one before ends at once as `replaced`.

        Call it after you checked the password: at each log-in, and again to re-authenticate. The data is carried
        over, unless another user was logged in. `remember` asks for the policy's longer timeouts and a cookie that
        outlives the browser. The commit raises SessionLimitReached where the policy refuses one more.
        """
        self._allow_change()
        if not isinstance(user_id, str) or not 1 <= len(user_id) <= 255 or not is_unicode(user_id):
            raise ConfigurationError("session.login(user_id) needs text of 1 to 255 characters: str(user.id), say.")
        if self.user_id not in (None, user_id):
            self.replace_all({})
        self._login = Login(user_id, remember)
        self._regenerate = False

    def logout(self) -> None:
        """End the session: its data goes, its token opens nothing any more. What is set afterwards starts a new one."""
        self._allow_change()
        self._leaving = self.live or self._leaving
        self._record, self._end_reason = None, None
        self._login = None
        self._regenerate = self._start = False
        self.logged_out = True
        self.replace_all({})

    def regenerate(self) -> None:
        """Give the same session a new id and token, at a change of rights (ASVS 7.2.4); the timeouts stay.

        The commit raises SessionEnded if the session ended meanwhile. A `login` does this of itself.
        """
        self._allow_change()
        self._regenerate = self.live is not None and self._login is None

    @property
    def touched(self) -> bool:
        """Whether anything may differ from what was loaded: a value set, or one fetched that can change in place."""
        return bool(self._values) or self._login is not None or self._regenerate or self._start

    @property
    def wish(self) -> Literal["login", "regenerate", "start"] | None:
        """What this request asked for beyond its data."""
        if self._login:
            return "login"
        if self._regenerate:
            return "regenerate"
        return "start" if self._start else None

    @property
    def pending_login(self) -> Login | None:
        """The log-in that the next commit makes."""
        return self._login

    @property
    def leaving(self) -> Record | None:
        """The session that a log-out left, until the commit ends it."""
        return self._leaving

    def became(self, record: Record, shown: bytes | None) -> None:
        """A commit wrote `record`: this is the session from here on, and `shown` opens it."""
        self._record, self.shown = record, shown
        self._end_reason = self._login = self._leaving = None
        self._regenerate = self._start = self.logged_out = False
        self.merged = {}
        self.settle()

    def reload(self, record: Record) -> None:
        """The store's record is newer than the one loaded: put this request's changes on top of it."""
        merged, conflicts = self.rebase(record.data)
        self._record = record
        self.merged = {**self.merged, **dict.fromkeys(merged, False), **dict.fromkeys(conflicts, True)}

    @property
    def conflicts(self) -> tuple[str, ...]:
        """The merged keys in which another request's change was lost to this one's."""
        return tuple(key for key, lost in self.merged.items() if lost)

    def left_behind(self, reason: EndReason | None) -> None:
        """The session that a log-in or log-out would have ended is over already: go on without it.

        A double log-in (`replaced`) still takes the data along; after any other end only what this request set.
        """
        carry = self.encoded()
        if reason != "replaced":
            carry = {key: carry[key] for key, change in self.changes().items() if change.value is not None}
            carry |= {key: b"%d" % by for key, by in self.increments().items()}
        self._record = self._leaving = None
        self.replace_all(carry)

    def ended(self, reason: EndReason | None) -> None:
        """The session is over, and what this request changed with it."""
        self._record = self._leaving or self._record if reason else None
        self._end_reason = reason
        self._leaving = self._login = None
        self._start = self._regenerate = self.logged_out = False
        self.replace_all({})

    def refused(self, error: SojournError) -> None:
        """A commit raised `error`: what it was to write is not tried again, unless the store merely did not answer.

        A log-out is: it can only be wanted.
        """
        if isinstance(error, StoreUnavailable):
            return
        self._login = None
        self._start = self._regenerate = False
        self.merged = {}
        self.replace_all(self._base)

    def __repr__(self) -> str:
        return f"<Session {self._record.id if self._record else 'new'}>"
