"""Place: where browsers register keys of their own (DBSC), and how all that they are told of one is spelled. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from .cookie import CookieOptions
from .dbsc import ALGORITHMS, ATTRIBUTES, COOKIE_LIFE, Action, Asking, Told, name

if TYPE_CHECKING:
    from .session import Session

__all__ = ["Place", "prefix_of", "start_of"]


def prefix_of(cookie: CookieOptions) -> str:
    """What the names of all bound cookies beside a session's begin with."""
    bare = re.sub("^__(host|secure)-", "", cookie.name, flags=re.IGNORECASE)
    return f"__Host-{bare}-"


def start_of(prefix: str) -> str:
    """A regular expression of where a cookie's name begins with `prefix`: that first, which is found in no time."""
    start = re.escape(prefix)
    return f"{start}(?:(?<=; {start})|(?<=;{start})|(?<=^{start}))"


class Place:
    """Where browsers register, of one application: its `origin`, the `path` of its endpoints, and the session's cookie.

    The bound cookie and the instruction that the browser compares it with are spelled here, from one text.
    """

    def __init__(self, origin: str, path: str, cookie: CookieOptions) -> None:
        self._prefix = prefix_of(cookie)
        # What is longer is none.
        self.find = re.compile(rf"{start_of(self._prefix)}([^=;\s]{{12}}=[^;]{{,40}})(?:;|$)").findall
        self.origin, self._path = origin, path
        self._actions: Mapping[str, Action] = {f"{path}/dbsc/register": "register", f"{path}/dbsc/refresh": "refresh"}

    def is_asked(self, path: str) -> bool:
        """Whether a request to this path is one of DBSC's own, which no page sends."""
        return path in self._actions

    def asking(self, path: str, proof: str | None, of: str | None) -> Asking | None:
        """What a POST to `path` asks for, if that is one of DBSC's own. Chromium's headers are bare."""
        action = self._actions.get(path)
        if action is None:
            return None
        proof = None if proof is None else proof.strip('"')
        return Asking(action, proof, (of or "").strip('"'), self.origin + path, self)

    def headers(self, told: Told) -> list[tuple[str, str]]:
        """The headers by which the browser is told."""
        cookie = f"{self._prefix}{told.of}={told.cookie}; Max-Age={COOKIE_LIFE}; {ATTRIBUTES}"
        if not told.instruction:
            where = f'path="{self._path}/dbsc/register";challenge="{told.challenge}"'
            return [("set-cookie", cookie), ("secure-session-registration", f"({' '.join(ALGORITHMS)});{where}")]
        return [("set-cookie", cookie), ("secure-session-challenge", f'"{told.challenge}";id="{told.of}"')]

    def told(self, session: Session, logged_out: bool) -> list[tuple[str, str]]:
        """The headers of an answer for the browser's own key; `logged_out`: its request ended the session."""
        if session._told is not None:
            return self.headers(session._told)
        record = session._record
        if logged_out and record is not None and record.nonce_key and session._end_reason:
            return [("set-cookie", self.clear(record.nonce_key))]
        return []

    def clear(self, nonce_key: str) -> str:
        """A Set-Cookie value that makes the browser forget the bound cookie of the session with this `nonce_key`."""
        return f"{self._prefix}{name(bytes.fromhex(nonce_key))}=; Max-Age=0; {ATTRIBUTES}"

    def instruction(self, of: str) -> bytes:
        """What the browser is to do from here on, as JSON."""
        scope = {"origin": self.origin, "include_site": False, "scope_specification": []}
        credentials = [{"type": "cookie", "name": self._prefix + of, "attributes": ATTRIBUTES}]
        refresh = f"{self._path}/dbsc/refresh"
        return msgspec.json.encode(
            {"session_identifier": of, "refresh_url": refresh, "scope": scope, "credentials": credentials}
        )
