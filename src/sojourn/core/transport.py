"""Transport: how a session's token travels between browser and server, and which requests are refused for it."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

from .commit import NO_REPLY, Reply
from .cookie import CookieOptions
from .errors import ConfigurationError
from .origin import exempt, is_cross_origin, is_foreign_handshake, trusted
from .problem import Problem
from .session import Session

if TYPE_CHECKING:
    from .binding import Shown
    from .dbsc import Asking, Cookies
    from .errors import ProofRefused
    from .place import Place
    from .rivals import Rivals
    from .shown import BoundCookies

__all__ = ["FAILED", "Header", "HeaderPairs", "Transport", "merged", "never_stored", "set_cookie", "taken"]

logger = logging.getLogger("sojourn")

Header = Callable[[str], str | None]
"""A request's header by its name in lower case; None where it was not sent."""

HeaderPairs = Sequence[tuple[str, str]]
"""An answer's headers; those that come from here have their names in lower case."""

FAILED = 500
"""From this status on an answer keeps no change: frameworks make such answers of a handler's exception."""

PLAIN_HTTP = (
    "A Secure cookie was set over plain http for %s, and browsers drop it there. Serve https; behind a proxy "
    "that does, let it say so (X-Forwarded-Proto); in development, open http://localhost."
)

NO_PREFIX = (
    "The session's cookie is named %s: any host of this site, and any page by plain http, can put its own in the place "
    "of a visitor's. Outside of development, leave the name as it is, or begin it with __Host- or __Secure-."
)

_is_local = re.compile(r"(?:(?:.+\.)?localhost|127(?:\.\d+){3}|\[::1\])(?::\d+)?", re.IGNORECASE).fullmatch

CROSS_ORIGIN = Problem(
    status=403,
    code="cross-origin",
    title="From another site",
    detail="This request came from a page of another origin. If it is yours, name it in trusted_origins.",
)
HIDDEN_ORIGIN = Problem(
    status=403,
    code="cross-origin",
    title="From another site",
    detail="This request came from a page that hides its origin (Origin: null). If it is yours, send it with "
    "Referrer-Policy: same-origin in place of no-referrer, and from no sandboxed frame.",
)
AMBIGUOUS = Problem(
    status=400,
    code="ambiguous-token",
    title="Two tokens",
    detail="The request holds a session token in a cookie and another in Authorization. Send one of them.",
)
NO_BEARER = Problem(
    status=400,
    code="bearer-not-enabled",
    title="Cookies only",
    detail="This server keeps session tokens in HttpOnly cookies. Use the client's storage 'cookie'.",
)


class Transport:
    """Tokens in a cookie, or in Authorization too where `script_readable_tokens` allows it.

    `script_readable_tokens` lets browser code hold the token itself: a script that is injected into a page can then
    steal it, which it cannot with the cookie. docs/security.md says more.
    """

    def __init__(
        self,
        cookie: CookieOptions | None = None,
        trusted_origins: Collection[str] = (),
        script_readable_tokens: bool = False,
        cross_site_paths: Collection[str] = (),
        clear_cache_at_logout: bool = True,
        public_origin: str | None = None,
        endpoints_path: str = "/session",
    ) -> None:
        self.cookie = cookie or CookieOptions()
        self.vary = "Cookie, Authorization" if script_readable_tokens else "Cookie"
        self.vary_bytes = (b"vary", self.vary.encode())
        self._depends: HeaderPairs = (("vary", self.vary),)
        self._warned = self.cookie.insecure_http
        self._trusted = trusted(trusted_origins)
        self._exempt = exempt(cross_site_paths)
        self._clears_cache = clear_cache_at_logout
        self.tokens_are_readable = script_readable_tokens
        self.public_origin = None
        self._by_cookie: Callable[..., Cookies | Asking | None] | None = None
        self.place: BoundCookies | None = None
        """What browsers with keys of their own show and are told, where they register them; None where they cannot."""
        # A scheme is of capitals or not, with a space after it or several (RFC 9110, section 11.4).
        self._shows_token = re.compile("bearer +sj1-", re.IGNORECASE).match
        if public_origin is not None:
            (self.public_origin,) = trusted([public_origin])
            self._shows_token = re.compile("(?:bearer|dpop) +sj1-", re.IGNORECASE).match
            self.hand_on(_place(public_origin, endpoints_path, self.cookie))

    def hand_on(self, place: BoundCookies | None) -> None:
        """From here on a cookie's request shows what it has for a key, of the browser's own as `place` says."""
        from .shown import by_cookie  # here: most applications bind no session

        self._by_cookie, self.place = by_cookie, place

    def is_bearer(self, header: Header) -> bool:
        """Whether a script that holds its token itself sent this request."""
        return header("sojourn-transport") is not None or bool(self._shows_token(header("authorization") or ""))

    @property
    def binds(self) -> bool:
        """Whether sessions may be bound to keys here."""
        return self._by_cookie is not None

    def presented(self, header: Header, bearer: bool, method: str, path: str) -> Shown | None:
        """What a request shows beside its token; None where no session is bound to a key."""
        if bearer:
            if self.public_origin is None:
                return None
            from .binding import Presented  # here: most applications bind no session
            from .proof import Asked

            by_dpop = (header("authorization") or "")[:5].lower() == "dpop "
            return Presented(header("dpop"), by_dpop, Asked(method, self.public_origin, path))
        if self._by_cookie is None:
            return None
        return self._by_cookie(header, method, self.public_origin or "", path, self.place)

    def note_unproved(self, error: ProofRefused, header: Header, path: str) -> None:
        """A cookie's request was refused for want of a proof: note what the browser is to be told.

        Before it follows a link from another site, it renews no bound cookie: it is to ask once more, by itself. Else
        it does, if it has the key. If not, it forgets the token, or it could not log in; so does a script with another.
        """
        if error.nonce is not None and error.device is None:
            return
        error.device = error.device or ""
        is_asked = self.place is not None and self.place.is_asked(path)
        if error.flaw == "proof-other-key" and header("dpop") is not None:
            error.told = (("set-cookie", self.cookie.clear()), ("sojourn-token", "none"))
        if error.flaw != "proof-required" or is_asked or header("secure-session-skipped") is not None:
            return
        if header("sec-fetch-site") in (None, "same-origin", "none"):
            error.told = (("set-cookie", self.cookie.clear()),)
        elif header("sec-fetch-mode") == "navigate":
            error.told = (("refresh", "0"),)

    def refusal(self, method: str, header: Header, bearer: bool, path: str) -> Problem | None:
        """Why this request may not be served, if it may not: CSRF, or a token where none may be.

        `path` is the whole one, as the browser asked for it.
        """
        if bearer:
            # Another site cannot send these headers without a preflight: no CSRF here.
            if not self.tokens_are_readable:
                return NO_BEARER
            # XMLHttpRequest cannot leave an old cookie at home; the client's header says which token is meant.
            said = header("sojourn-transport") is not None
            return AMBIGUOUS if not said and self.tokens(header, False) else None
        foreign = is_cross_origin(
            method,
            site=header("sec-fetch-site"),
            origin=header("origin"),
            host=header("host"),
            trusted_origins=self._trusted,
        )
        # What a browser sends for a key is no page's doing, and of no use to one.
        if not foreign or path in self._exempt or (self.place is not None and self.place.is_asked(path)):
            return None
        return HIDDEN_ORIGIN if header("origin") == "null" else CROSS_ORIGIN

    def is_foreign_handshake(self, header: Header) -> bool:
        """Whether a WebSocket's handshake comes from a page of another origin."""
        return is_foreign_handshake(origin=header("origin"), host=header("host"), trusted_origins=self._trusted)

    def tokens(self, header: Header, bearer: bool) -> list[str]:
        """The tokens that the request shows: none, one, or several that cannot all be meant."""
        if bearer:
            scheme, _, token = (header("authorization") or "").partition(" ")
            # A client that has a key does not know whether sessions are bound to it here.
            return [token.strip(" ")] if scheme.lower() in ("bearer", "dpop") else []
        return self.cookie.find((header("cookie") or "").encode("latin-1", "replace"))

    def answer(
        self,
        session: Session,
        reply: Reply,
        bearer: bool,
        forget: str | None = None,
        rivals: Rivals | None = None,
        logged_out: bool = False,
    ) -> HeaderPairs:
        """The headers that an answer needs, to be `merged` into its own: for caches, and for the browser.

        `forget` is a Set-Cookie value that takes another layer's cookie away. `rivals` are there where the request
        showed several tokens. `logged_out` says that this request ended the session that it came with.
        """
        contested = rivals is not None and rivals.is_contested
        nonce = session._proved.nonce if session._proved is not None and bearer else None
        keyed = () if bearer or self.place is None else self.place.told(session, logged_out)
        if reply is NO_REPLY and not contested and not keyed:
            if nonce is not None:
                return [*self._depends, ("cache-control", "no-store"), ("dpop-nonce", nonce)]
            return self._depends if session._accessed else ()
        # Out of every cache, whatever the application said (CVE-2026-27205, CVE-2026-35192).
        told = [*self._depends, ("cache-control", "no-store")]
        if logged_out and self._clears_cache:
            # The Back button shows nothing of who left (ASVS 14.3.1).
            told.append(("clear-site-data", '"cache"'))
        if rivals is not None:
            # Before our own: the browser does one after the other.
            told.extend(("set-cookie", line) for line in rivals.lines)
        if bearer:
            told.append(("sojourn-token", reply.token.reveal() if reply.token else "none"))
        elif reply is not NO_REPLY or contested:
            told.append(("set-cookie", set_cookie(self.cookie, reply)))
        told.extend(keyed)
        if nonce is not None:
            told.append(("dpop-nonce", nonce))
        if forget is not None:
            told.append(("set-cookie", forget))
        return told

    def warn_of_name(self) -> None:
        """Log that the cookie's name lets others set it, if it does: integrations ask at start-up."""
        if not self.cookie.insecure_http and not self.cookie.name.lower().startswith(("__host-", "__secure-")):
            logger.warning(NO_PREFIX, self.cookie.name)

    def warn_of_plain_http(self, scheme: str, host: str) -> None:
        """Log, once, that browsers will not keep the Secure cookie that is being set for `host` by `scheme`."""
        if not self._warned and scheme in ("http", "ws") and not _is_local(host):
            self._warned = True
            logger.warning(PLAIN_HTTP, host)


def _place(origin: str, path: str, cookie: CookieOptions) -> Place | None:
    if not path.startswith("/") or path.endswith("/") or '"' in path:
        raise ConfigurationError(f"endpoints_path={path!r}: write it like '/session', without a slash at its end.")
    # No other cookie can be what Chromium renews, or not for all hosts that it is for.
    if not origin.startswith("https://") or cookie.insecure_http or cookie.partitioned or cookie.domain is not None:
        return None
    from .place import Place

    return Place(origin, path, cookie)


def merged(headers: HeaderPairs, needed: HeaderPairs) -> list[tuple[str, str]]:
    """An answer's own headers with what it needs: Vary gains names, the others are added.

    Cache-Control is replaced, unless it says no-store itself, and maybe more that is stricter; so is a problem's
    Sojourn-Token.
    """
    found = list(headers)
    for name, value in needed:
        lower = name.lower()
        if lower == "cache-control" and never_stored(", ".join(each for said, each in found if said.lower() == lower)):
            continue
        if lower in ("cache-control", "sojourn-token"):
            found = [pair for pair in found if pair[0].lower() != lower]
        at = next((at for at, pair in enumerate(found) if pair[0].lower() == lower == "vary"), None)
        if at is None:
            found.append((name, value))
            continue
        # Whole names: X-Cookie-Consent does not say Cookie.
        present = {each.strip().lower() for each in found[at][1].split(",")}
        if "*" not in present and not present.issuperset(value.lower().split(", ")):
            found[at] = (found[at][0], f"{found[at][1]}, {value}")
    return found


def never_stored(cache_control: str) -> bool:
    """Whether a Cache-Control keeps an answer out of every cache."""
    return "no-store" in (word.strip() for word in cache_control.lower().split(","))


def taken(tokens: list[str]) -> str:
    """The first of `tokens`, which forgets them all: what a frame holds, a reporter of errors sends."""
    token = tokens[0]
    tokens.clear()
    return token


def set_cookie(cookie: CookieOptions, reply: Reply) -> str:
    """The Set-Cookie value for a reply that has something to tell."""
    return cookie.set(reply.token.reveal(), reply.max_age) if reply.token else cookie.clear()
