"""SessionKey: what `request.session.session_key` is under our middleware: the session's public id, safe to keep."""

from __future__ import annotations

import re

from sojourn.core.record import Record
from sojourn.core.rotation import which
from sojourn.core.token import ID_PATTERN, Token, parse
from sojourn.manager import SessionManager

__all__ = ["SessionKey", "find_live"]

_is_id = re.compile(ID_PATTERN).fullmatch


class SessionKey(str):
    """The public id as text. While the request lasts a SessionStore made of this very object goes on with its session.

    Some reload a session so: `request.session = SessionStore(request.session.session_key)`. A copy of the text, from a
    database or a cookie say, opens nothing.
    """

    __slots__ = ("_token",)
    _token: str

    @classmethod
    def of(cls, id: str, token: str) -> SessionKey:
        """The key of this session, which `token` opens."""
        key = cls(id)
        key._token = token
        return key

    @staticmethod
    def opens_by(key: str | None) -> str | None:
        """The token to open the session of `key` by: the key itself, where it is none of these."""
        return key._token if isinstance(key, SessionKey) else key

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        """Into a cache or another process goes the text alone."""
        return str, (str(self),)


def find_live(manager: SessionManager, key: str) -> str | None:
    """The id of the live session that `key` names, as an id, or would open, as a token; at most one read.

    To look is not to show: an old token opens nothing and ends nothing, and none is renewed. A service does not judge a
    token by a look, so that there a token counts as its id.
    """
    token = parse(key)
    if token is None and not _is_id(key):
        return None
    if token is None or type(manager).open is not SessionManager.open:
        found = manager.get(token.id if token else key)
        return found.id if found is not None and found.end_reason is None else None
    return _judge(manager, manager._store.get(token.id), token)


def _judge(manager: SessionManager, record: Record | None, token: Token) -> str | None:
    now = manager.clock()
    if record is None or record.realm != manager.realm or record.end_reason_at(now) is not None:
        return None
    what = which(record.secrets, token, manager.policy, now)
    return record.id if what in ("current", "next", "retired") else None
