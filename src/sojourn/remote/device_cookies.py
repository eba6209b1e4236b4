"""DeviceCookies: what a browser's own key has of a request and an answer, where a session service judges it. No I/O."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sojourn.core.cookie import CookieOptions
from sojourn.core.dbsc import Asking
from sojourn.core.place import prefix_of, start_of

from .session import RemoteSession

if TYPE_CHECKING:
    from sojourn.core.session import Session

__all__ = ["DeviceCookies"]


class DeviceCookies:
    """The bound cookies beside a session's cookie: handed on as they come. Browsers register keys at the service."""

    def __init__(self, cookie: CookieOptions) -> None:
        bound = rf"({start_of(prefix_of(cookie))}[\w-]{{12}}=[0-9]{{1,15}}\.[\w-]{{22}})(?=;|$)"
        # Each by its whole name.
        self.find = re.compile(bound, re.ASCII).findall

    def is_asked(self, path: str) -> bool:
        """Whether a request to this path is one of DBSC's own: the service gets these, and none comes here."""
        return False

    def asking(self, path: str, proof: str | None, of: str | None) -> Asking | None:
        """What a POST to `path` asks for: nothing of a key."""
        return None

    def told(self, session: Session, logged_out: bool) -> list[tuple[str, str]]:
        """The headers of an answer for the browser's own key, as the service said."""
        told = session.told_device if isinstance(session, RemoteSession) else None
        if told is None:
            return []
        headers = [("set-cookie", told.set_cookie)]
        if told.registration is not None:
            headers.append(("secure-session-registration", told.registration))
        return headers
