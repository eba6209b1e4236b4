"""Session: what a handler sees. It only notes what is wanted; the manager's commit does it.

Names that begin with an underscore are the package's: managers and integrations use them, applications never do.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from . import changes
from .codec import Dictionary, EncodedObject, checked_key, decode, key_text
from .errors import EndReason, ReauthenticationRequired, SessionCommitted
from .login import Level, Login
from .merge import MISSING
from .record import Client, Record
from .step_up import check_login, grant_key, is_granted
from .store import Change
from .token import Token

if TYPE_CHECKING:
    from .binding import Kept, Proved, Told

__all__ = ["Session", "Status"]

Status = Literal["none", "active", "ended"]


# Any: a union of the JSON types would make `session["cart"].append(x)` a type error for every user.
class Session(Dictionary):
    """A mapping of str to JSON values, with who and since when. A manager makes it; nothing here does I/O.

    What `json.dumps` takes is kept, as the same JSON: a tuple comes back as a list, the key 1 as "1".
    A nested change is kept too: values are compared with what was loaded. `passive = True` keeps this request from
    counting as activity: polling must not keep a session alive. `client` is kept with a session that begins,
    `opened_at` is when the request came. Times are Unix milliseconds. After `login` or `regenerate` the `id` is the new
    one from the commit on. Raised are InvalidData for what JSON cannot hold, most of it by the commit, SessionCommitted
    for a change after the response began, ConfigurationError for a wrong argument, StoreUnavailable for damaged data.
    """

    passive: bool = False

    # Defaults on the class: a request makes one of these, and most never set them.
    _accessed = _sealed = _logged_out = _regenerate = _start = False
    _counters: Mapping[str, int] = {}
    _used: frozenset[str] = frozenset()  # the keys of grants that this request used
    _merged: dict[str, bool] = {}  # noqa: RUF012  # never changed in place
    _login: Login | None = None
    _leaving: Record | None = None  # what a log-out left, until the commit ends it
    _ended_id: str | None = None  # of one that was over before it was logged out of: the store is asked to confirm that
    _renews: bool = True  # whether the answer can bring the browser a new secret
    _kept: Kept | None = None  # what this request proved of the key that renewal takes, if it takes one
    _proved: Proved | None = None  # the key that this request proved
    _offers: bool = False  # whether the browser may register a key for a session that begins here
    _told: Told | None = None  # what the answer tells it of its key, and which that is

    def __init__(
        self,
        record: Record | None,
        opened_at: int,
        client: Client,
        token: Token | None = None,
        presented: bool = False,
        end_reason: EndReason | None = None,
    ) -> None:
        self._base: Mapping[str, bytes] = {} if record is None or end_reason else record.data
        self._values: dict[str, Any] = {}
        self._record, self.opened_at, self.client = record, opened_at, client
        self._token, self._presented, self._end_reason = token, presented, end_reason

    # The mapping

    def __getitem__(self, key: str) -> Any:
        self._accessed = True
        key = key if type(key) is str else key_text(key)
        value = self._values.get(key, self)
        if value is self:
            base = self._base
            # The one kind of base that spares a copy, on the way that most requests go.
            value = base.decoded(key) if type(base) is EncodedObject else decode(base[key])
            # Only what can be changed in place must be kept for comparison.
            if type(value) is list or type(value) is dict:
                self._values[key] = value
        if value is MISSING:
            raise KeyError(key)
        return value

    def __setitem__(self, key: str, value: Any) -> None:
        self._allow_change()
        if type(key) is not str or not key.isascii():
            key = checked_key(key)
        if self._counters:
            self._forget_counter(key)
        self._values[key] = value

    def __delitem__(self, key: str) -> None:
        self._allow_change()
        if key not in self:
            raise KeyError(key)
        key = key_text(key)
        self._forget_counter(key)
        self._values[key] = MISSING

    def __contains__(self, key: object) -> bool:
        self._accessed = True
        key = key if type(key) is str else key_text(key)
        value = self._values.get(key, self)
        return key in self._base if value is self else value is not MISSING

    def __iter__(self) -> Iterator[str]:
        self._accessed = True
        values = self._values
        kept = [key for key in self._base if values.get(key) is not MISSING]
        return iter(kept + [key for key, value in values.items() if value is not MISSING and key not in self._base])

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        return f"<Session {self._record.id if self._record else 'new'}>"

    def increment(self, key: str, by: int = 1) -> int:
        """Add to an integer, a missing one counting as 0, and return the sum as this request sees it.

        Parallel requests add up: the store adds `by` to what it then holds. Raises InvalidData where the value
        is no integer or the sum leaves ±(2**53 - 1).
        """
        value = changes.add(key, self.get(key, 0), by)
        adds_up = key in self._counters or key not in changes.changed(self._base, self._values)
        total = self._counters.get(key, 0) + by
        self[key] = value
        if adds_up:
            self._counters = {**self._counters, key: total}
        return value

    # Who, and since when

    @property
    def status(self) -> Status:
        """Whether there is a session, or was one that ended."""
        self._accessed = True
        return "ended" if self._end_reason else "active" if self._record else "none"

    @property
    def end_reason(self) -> EndReason | None:
        """Why the session ended, if it did and the store still knows."""
        self._accessed = True
        return self._end_reason

    @property
    def id(self) -> str | None:
        """The public name, safe to log and to list; None before the session's first commit."""
        self._accessed = True
        return self._record.id if self._record else None

    @property
    def user_id(self) -> str | None:
        """Who is logged in, or None."""
        self._accessed = True
        who = self._login or self._live
        return who.user_id if who else None

    @property
    def authenticated_at(self) -> int | None:
        """When the user last proved who they are, in Unix milliseconds, or None."""
        self._accessed = True
        live = self._live
        return self.opened_at if self._login else live.authenticated_at if live else None

    @property
    def level(self) -> str | None:
        """How sure the log-in was, as `login` was told: "aal1", "aal2", "aal3" or None."""
        self._accessed = True
        who = self._login or self._live
        return who.level if who and not (self._kept and self._kept.owes) else None

    @property
    def methods(self) -> tuple[str, ...]:
        """By what the user proved who they are, as `login` was told."""
        self._accessed = True
        who = self._login or self._live
        return who.methods if who else ()

    def require_login(self, *, within: float | None = None, level: Level | None = None) -> str:
        """The user's id, where somebody is logged in, since at most `within` seconds and at this level at least.

        Raises LoginRequired or ReauthenticationRequired: 401, and the browser client tells the page (ASVS 7.5.1).
        """
        since = None if (at := self.authenticated_at) is None else self.opened_at - at
        wants = self._kept.wants if self._kept and self._kept.owes else None
        return check_login(self.user_id, since, self.level, within, level, ended=self._end_reason, wants=wants)

    # What is wanted

    def start(self) -> None:
        """Make a session even if nothing is put in it. An active one stays as it is."""
        self._allow_change()
        self._start = True

    def login(
        self,
        user_id: str,
        *,
        remember: bool = False,
        level: Level | None = None,
        methods: Sequence[str] = (),
        keep: Collection[str] | None = None,
    ) -> None:
        """Tie a user to a new session with a new id and token; the one before ends at once as `replaced`.

        Call it after you checked the password: at each log-in, and again to re-authenticate. `user_id` is 1 to 255
        characters. `level` (NIST SP 800-63B-4) and up to 16 `methods` (RFC 8176) say what was proved. The data is
        carried over, or of it the keys in `keep` alone; if another user was logged in, nothing is. `remember` asks for
        the policy's longer timeouts and a cookie that outlives the browser. The commit raises SessionLimitReached where
        the policy refuses one more, ConfigurationError where it remembers nobody.
        """
        self._allow_change()
        login = Login.of(user_id, remember, level, methods, keep)
        if self.user_id not in (None, user_id):
            self._replace_data({})
        self._base, self._values = login.kept(self._base), login.kept(self._values)
        self._counters = login.kept(self._counters)
        self._login, self._regenerate, self._kept = login, False, None

    def grant_once(self, action: str, *, within: float = 120) -> None:
        """Allow one `use_grant(action)` in the next `within` seconds: after a proof that was given for it alone."""
        self[grant_key(action)] = self.opened_at + int(within * 1000)

    def use_grant(self, action: str) -> None:
        """Use the grant for `action` up. Raises ReauthenticationRequired where there is none (ASVS 7.5.3).

        Commit before you act: of two requests that use one grant at once, the second's commit raises it.
        """
        key = grant_key(action)
        if not is_granted(self.get(key), self.opened_at):
            raise ReauthenticationRequired(action=action)
        del self[key]
        if key in self._base:  # One that was given in this very request is nobody else's.
            self._used = self._used | {key}

    def logout(self) -> None:
        """End the session: its data goes, its token opens nothing any more. What is set afterwards starts a new one."""
        self._allow_change()
        ended_id = self._record.id if self._record and self._end_reason else self._ended_id
        self._leaving = self._live or self._leaving
        self._record, self._end_reason = None, None
        self._forget_wishes()
        self._logged_out, self._ended_id = True, ended_id
        self._replace_data({})

    def regenerate(self) -> None:
        """Give the same session a new id and token, at a change of rights (ASVS 7.2.4); the timeouts stay.

        The commit raises SessionEnded if the session ended meanwhile. A `login` does this of itself.
        """
        self._allow_change()
        self._regenerate = self._live is not None and self._login is None

    # The manager's: what to write

    @property
    def _live(self) -> Record | None:
        """The record that a commit would change; None before the session exists and after its end."""
        return None if self._end_reason else self._record

    @property
    def _wish(self) -> Literal["login", "regenerate", "start"] | None:
        """What this request asked for beyond its data."""
        return "login" if self._login else "regenerate" if self._regenerate else "start" if self._start else None

    def _changes(self) -> dict[str, Change]:
        return changes.changes(self._base, self._values, self._counters) if self._values else {}

    def _increments(self) -> dict[str, int]:
        return changes.increments(self._base, self._counters) if self._counters else {}

    def _encoded(self) -> dict[str, bytes]:
        return changes.encoded(self._base, self._values)

    def _forget_wishes(self) -> None:
        self._login = self._ended_id = None
        self._regenerate = self._start = self._logged_out = False

    def _replace_data(self, base: Mapping[str, bytes]) -> None:
        """Forget everything, this request's changes too, for `base`."""
        self._base, self._values, self._counters = base, {}, {}

    def _allow_change(self) -> None:
        self._accessed = True
        if self._sealed:
            raise SessionCommitted(
                "The session was changed after the response had started, when its commit was done. Change it before "
                "the first byte of the response: not in a streaming body or a background task."
            )

    def _forget_counter(self, key: str) -> None:
        if key in self._counters:
            self._counters = {other: by for other, by in self._counters.items() if other != key}
