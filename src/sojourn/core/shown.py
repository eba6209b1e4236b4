"""Shown: what a request with its token in a cookie shows beside it, for a policy that binds sessions. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from .dbsc import Asking, Cookies, skipped_for
from .origin import SAFE_METHODS
from .proof import Asked

if TYPE_CHECKING:
    from .session import Session

__all__ = ["BoundCookies", "by_cookie"]


class BoundCookies(Protocol):
    """What an answer and a request of a cookie's session have for the browser's own key."""

    def is_asked(self, path: str) -> bool:
        """Whether a request to this path is one of DBSC's own, which no page sends."""

    def asking(self, path: str, proof: str | None, of: str | None) -> Asking | None:
        """What a POST to `path` asks for, if that is one of DBSC's own."""

    @property
    def find(self) -> Callable[[str], Sequence[str]]:
        """The bound cookies in a Cookie header, each as Cookies has it."""

    def told(self, session: Session, logged_out: bool) -> list[tuple[str, str]]:
        """The headers of an answer for the browser's own key; `logged_out`: its request ended the session."""


def by_cookie(
    header: Callable[[str], str | None], method: str, origin: str, path: str, place: BoundCookies | None
) -> Cookies | Asking | None:
    """What the headers show: of a browser's own key, if there is a `place` for such, and a script's proof."""
    if place is not None and method == "POST" and place.is_asked(path):
        return place.asking(path, header("secure-session-response"), header("sec-secure-session-id"))
    reads, proof = method in SAFE_METHODS and header("sec-fetch-dest") in (None, "empty"), header("dpop")
    asked = None if proof is None else Asked(method, origin, path)
    if place is None:
        return Cookies((), None, proof, asked, reads)
    skipped = skipped_for(header("secure-session-skipped"))
    return Cookies(place.find(header("cookie") or ""), skipped, proof, asked, reads)
