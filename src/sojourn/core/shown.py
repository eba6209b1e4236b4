"""Shown: what a request with its token in a cookie shows beside it, for a policy that binds sessions. Pure."""

from __future__ import annotations

from collections.abc import Callable

from .dbsc import Asking, BoundCookies, Cookies
from .origin import SAFE_METHODS
from .proof import Asked

__all__ = ["by_cookie"]


def by_cookie(
    header: Callable[[str], str | None], method: str, origin: str, path: str, place: BoundCookies | None
) -> Cookies | Asking | None:
    """What the headers show: of a browser's own key, if there is a `place` for such, and a script's proof."""
    if place is not None and method == "POST" and place.is_asked(path):
        return place.asking(path, header("secure-session-response"), header("sec-secure-session-id"))
    cookies = header("cookie")
    found = Cookies({}) if place is None else place.shown(cookies or "", header("secure-session-skipped"))
    reads = method in SAFE_METHODS and header("sec-fetch-dest") in (None, "empty")
    proof = header("dpop")
    return Cookies(*found[:2], proof, None if proof is None else Asked(method, origin, path), reads)
