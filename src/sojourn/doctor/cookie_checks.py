"""What the session's cookies and the caches' headers look like."""

from __future__ import annotations

from collections.abc import Iterator

from sojourn.torture.app import AppRaceContext, session_cookies

from .check import Check, Observation
from .finding import Severity

__all__ = ["CACHES", "COOKIES"]

FLAGS: tuple[tuple[str, Severity, str, str], ...] = (
    ("Secure", "high", "3.3.1", "Set Secure: the cookie must not cross a network in the clear."),
    ("HttpOnly", "medium", "3.3.4", "Set HttpOnly: no script needs the session's cookie."),
    ("SameSite", "low", "3.3.2", "Set SameSite=Lax or Strict on purpose: browsers differ without it."),
)
# By these words a page is kept from shared caches, or asked for anew.
KEPT_BACK = ("no-store", "private", "no-cache")
SHARED = ("public", "s-maxage")


def cookies(context: AppRaceContext) -> Iterator[Observation]:
    """The flags of the cookies that the session depends on. An application may leave Secure away over plain http."""
    browser, site = context.log_in(), context.app.site
    names = session_cookies(context, browser, context.write(browser))
    if not names:
        yield Observation("cannot tell", "no cookie that the session depends on", "See where the session's token is.")
    for name in names:
        attributes, came = browser.attributes[name], f"Set-Cookie: {name}=… with"
        for flag, severity, asvs, mend in FLAGS:
            if flag.lower() in attributes:
                continue
            unsure = flag == "Secure" and site.scheme == "http"
            told = f"Ask at an https URL: over http it may be left away. {mend}" if unsure else mend
            at = "cannot tell" if unsure else severity
            yield Observation(at, f"{came}out {flag}", told, f"cookie {flag}", asvs=asvs)
        if "secure" in attributes and not name.startswith(("__Host-", "__Secure-")):
            told = f"Call it __Host-{name}, with Path=/ and no Domain: no neighbour can then plant it."
            yield Observation("low", f"{came}out the prefix __Host-", told, "cookie prefix", asvs="3.3.3")
        domain = attributes.get("domain", "").lstrip(".")
        if domain and f".{site.host}".endswith(f".{domain}"):
            told = "Leave Domain away, unless the neighbours share the session by design."
            yield Observation("cannot tell", f"{came} Domain={domain}", told, "cookie Domain", asvs="3.3.3")


def caches(context: AppRaceContext) -> Iterator[Observation]:
    """A page of one session must say no-store, private or no-cache, or Vary on the cookie."""
    browser = context.log_in()
    context.write(browser)
    answer, endpoint = browser.send(context.app.read), context.app.read
    control, vary = answer.header("cache-control").lower(), answer.header("vary").lower()
    if any(word in control for word in KEPT_BACK) or "cookie" in vary or vary == "*":
        return
    shared = [word for word in SHARED if word in control]
    # Not the headers as they came: anything may be in them.
    came = f"Cache-Control without {', '.join(KEPT_BACK)}{' and with ' + shared[0] if shared else ''}; no Vary: Cookie"
    mend = "Send Cache-Control: no-store, or private, and Vary: Cookie with what depends on the session."
    yield Observation(
        "medium" if shared else "low", came, mend, sent=f"{endpoint.method} {endpoint.path} with the session"
    )


COOKIES = Check("cookies", "3.3.1–3.3.4", "a log-in", "the flags and the prefix that there are to be", cookies)
CACHES = Check("caches", "14.2.2", "the read with the session", "no leave for a cache to keep it for others", caches)
