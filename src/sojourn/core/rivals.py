"""Rivals: several tokens in one request, and which of them counts. Pure: a manager opens them.

A browser holds several cookies of one name where the cookie's domain or path was changed, or a sibling host plants one.
What opens nothing is passed over, and the only live one counts. Of two live ones none does: which of them is the
visitor's, nobody can know.
"""

from __future__ import annotations

from collections.abc import Sequence

from .cookie import clearings
from .session import Session
from .token import Token, parse

__all__ = ["Rivals", "counting", "secrets_by_session"]

# More are nobody's cookies, and are not asked for: they would make of one request a hundred reads.
MOST = 8


class Rivals:
    """That a request showed several tokens: `lines` are the Set-Cookie values that make the browser forget them all.

    Where none counts `live` are the sessions that they open, of which a log-in or log-out makes an end.
    """

    __slots__ = ("is_contested", "lines", "live")

    def __init__(self, name: str, host: str, path: str, live: Sequence[Session], is_contested: bool) -> None:
        self.lines = clearings(name, host, path)
        self.live = list(live)
        self.is_contested = is_contested

    def to_end(self, session: Session) -> list[Session]:
        """The sessions to be ended before the commit of `session`: each is logged out, and to be committed."""
        if session._login is None and not session._logged_out:
            return []
        ends, self.live = self.live, []
        for rival in ends:
            rival.logout()
        return ends


def secrets_by_session(values: Sequence[str]) -> list[list[Token]]:
    """What of `values` has a token's shape, by session; of one session's the last first. Empty where they are too many.

    Browsers send the newer cookie later, and of one session's two secrets the older may be taken for a thief's: it is
    shown only where the newer opens nothing.
    """
    sessions: dict[str, list[Token]] = {}
    different = [token for value in dict.fromkeys(values) if (token := parse(value))]
    for token in reversed(different) if len(different) <= MOST else ():
        sessions.setdefault(token.id, []).append(token)
    return list(sessions.values())


def counting(live: Sequence[Session], over: Sequence[Session]) -> Session | None:
    """The session that counts: the only live one, else one that says why it is over. None of several live ones."""
    if len(live) > 1:
        return None
    ended = [session for session in over if session._end_reason]
    return next(iter([*live, *ended, *over]), None)
