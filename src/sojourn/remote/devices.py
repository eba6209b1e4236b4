"""DeviceCookies: what a browser's own key has of a request and an answer, where a session service judges it. No I/O."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sojourn.core.cookie import CookieOptions
from sojourn.core.dbsc import Asking, Cookies, prefix_of, skipped_for

from .session import RemoteSession

if TYPE_CHECKING:
    from sojourn.core.session import Session

__all__ = ["DeviceCookies"]


class DeviceCookies:
    """The bound cookies beside a session's cookie: handed on as they come. Browsers register keys at the service."""

    def __init__(self, cookie: CookieOptions) -> None:
        self._start = prefix_of(cookie)
        bound = rf"({re.escape(self._start)}[\w-]{{12}}=[0-9]{{1,15}}\.[\w-]{{22}})"
        self._find = re.compile(rf"(?:^|;) ?{bound}(?=;|$)", re.ASCII).findall

    def is_asked(self, path: str) -> bool:
        """Whether a request to this path is one of DBSC's own: the service gets these, and none comes here."""
        return False

    def asking(self, path: str, proof: str | None, of: str | None) -> Asking | None:
        """What a POST to `path` asks for: nothing of a key."""
        return None

    def shown(self, cookies: str, skipped: str | None, reads: bool = False) -> Cookies:
        """What a Cookie header, and Secure-Session-Skipped, show. Each bound cookie by its whole name."""
        found = self._find(cookies) if self._start in cookies else ()
        return Cookies(found, skipped_for(skipped), reads=reads)

    def told(self, session: Session, logged_out: bool) -> list[tuple[str, str]]:
        """The headers of an answer for the browser's own key, as the service said."""
        told = session.told_device if isinstance(session, RemoteSession) else None
        if told is None:
            return []
        headers = [("set-cookie", told.set_cookie)]
        if told.registration is not None:
            headers.append(("secure-session-registration", told.registration))
        return headers
