"""VisitorKeys: what a visitor's request shows for its key, as a back end hands it on, and what its browser is told."""

from __future__ import annotations

import re
from urllib.parse import unquote

import msgspec

from sojourn.core.binding import Presented, Vouched
from sojourn.core.dbsc import Cookies, skipped_for
from sojourn.core.place import Place
from sojourn.core.proof import Asked
from sojourn.core.session import Session
from sojourn.wire.answers import ToldDevice
from sojourn.wire.requests import CommitRequest, LogoutAction, OpenRequest, ShownDevice

__all__ = ["VisitorKeys"]

_url = re.compile("(https?://)([^/?#]+)([^?#]*)").match


class VisitorKeys:
    """By `place`, where browsers register keys of their own; None where they cannot.

    `binds_cookies`: each back end hands the browsers' bound cookies on, so that a log-in may be offered to be bound.
    `all_must_be`: the policy requires it.
    """

    def __init__(self, place: Place | None = None, *, binds_cookies: bool = False, all_must_be: bool = False) -> None:
        self._place = place
        self._binds_cookies = binds_cookies and place is not None
        # A visitor who has not logged in shows nothing, and has a session all the same.
        self._unbound = Cookies() if self._binds_cookies and all_must_be else None

    def shown(self, asked: OpenRequest | CommitRequest) -> Presented | Vouched | Cookies | None:
        """What the request shows beside its token."""
        cookies = None if asked.device is None else self._cookies(asked.device)
        if asked.proved is not None:
            return Vouched(asked.proved, cookies)
        if asked.presented is not None:
            # As the wire's pattern has it. What the origin is worth, and how it is spelled, a proof is compared by.
            method, proof, dpop = asked.presented.method, asked.presented.proof, asked.presented.dpop
            scheme, host, path = _url(asked.presented.url).groups()  # type: ignore[union-attr]
            return Presented(proof, dpop, Asked(method, scheme + host, unquote(path)))
        return self._unbound if cookies is None or self._place is None else cookies

    def _cookies(self, device: ShownDevice) -> Cookies:
        if self._place is None:
            return Cookies()
        bound, skipped, signed = self._place.find(device.cookies), skipped_for(device.skipped), device.signed
        if signed is None or not self._binds_cookies:
            return Cookies(bound, skipped)
        path = signed.path.partition("?")[0].partition("#")[0]
        return Cookies(bound, skipped, signed.proof, Asked(signed.method, self._place.origin, unquote(path)))

    def offers(self, wanted: CommitRequest) -> bool:
        """Whether the browser may register a key for a session that the commit makes."""
        return self._binds_cookies and _is_by_cookie(wanted)

    def told(self, session: Session, wanted: CommitRequest) -> ToldDevice | msgspec.UnsetType:
        """What the browser is told for a key of its own, once the manager has committed."""
        if self._place is None or not _is_by_cookie(wanted):
            return msgspec.UNSET
        told = dict(self._place.told(session, isinstance(wanted.action, LogoutAction)))
        if not told:
            return msgspec.UNSET
        return ToldDevice(set_cookie=told["set-cookie"], registration=told.get("secure-session-registration"))


def _is_by_cookie(wanted: CommitRequest) -> bool:
    return wanted.presented is None and (wanted.proved is None or wanted.device is not None)
