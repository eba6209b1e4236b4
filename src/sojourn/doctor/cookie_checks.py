"""What the session's cookies and the caches' headers look like. Pure but for `session_cookies`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sojourn.torture.app import AppAnswer, AppEndpoint, AppRaceContext, Browser

from .finding import Finding, Severity

__all__ = ["cookie_flags", "page_caches", "session_cookies"]

FLAGS: tuple[tuple[str, Severity, str, str], ...] = (
    ("Secure", "high", "3.3.1", "Set Secure: the cookie must not cross a network in the clear."),
    ("HttpOnly", "medium", "3.3.4", "Set HttpOnly: no script needs the session's cookie."),
    ("SameSite", "low", "3.3.2", "Set SameSite=Lax or Strict on purpose: browsers differ without it."),
)


def session_cookies(context: AppRaceContext, browser: Browser, number: int) -> list[str]:
    """The names of the cookies without which the session's page does not show `number`."""
    return [
        name
        for name in list(browser.jar)
        if not context.numbers_in(
            Browser(context.app.site, {other: value for other, value in browser.jar.items() if other != name}),
            [number],
        )
    ]


def cookie_flags(scheme: str, browser: Browser, names: Sequence[str]) -> Iterator[Finding]:
    """Secure, HttpOnly, SameSite, the prefix, and Domain. An application may leave Secure away over plain http."""
    if not names:
        came = "no cookie that the session depends on"
        yield Finding("cookie", "cannot tell", "a log-in and a write", came, "", "See where the session's token is.")
    for name in names:
        attributes = browser.attributes[name]
        for flag, severity, asvs, mend in FLAGS:
            if flag.lower() in attributes:
                continue
            unsure = flag == "Secure" and scheme == "http"
            came = f"Set-Cookie: {name}=… without {flag}"
            told = f"Ask at an https URL: over http it may be left away. {mend}" if unsure else mend
            yield Finding(f"cookie {flag}", "cannot tell" if unsure else severity, "a log-in", came, asvs, told)
        if "secure" in attributes and not name.startswith(("__Host-", "__Secure-")):
            came = f"Set-Cookie: {name}=… without the prefix __Host-"
            told = f"Call it __Host-{name}, with Path=/ and no Domain: no neighbour can then plant it."
            yield Finding("cookie prefix", "low", "a log-in", came, "3.3.3", told)
        if attributes.get("domain"):
            came = f"Set-Cookie: {name}=… with Domain={attributes['domain']}"
            told = "Leave Domain away, unless the neighbours share the session by design."
            yield Finding("cookie Domain", "cannot tell", "a log-in", came, "3.3.3", told)


def page_caches(answer: AppAnswer, endpoint: AppEndpoint) -> Iterator[Finding]:
    """A page of one session must say no-store, private or no-cache, or Vary on the cookie."""
    control, vary = answer.header("cache-control").lower(), answer.header("vary").lower()
    if any(word in control for word in ("no-store", "private", "no-cache")) or "cookie" in vary or vary == "*":
        return
    came = f"Cache-Control: {control or '(none)'}, Vary: {vary or '(none)'}"
    mend = "Send Cache-Control: no-store, or private, and Vary: Cookie with what depends on the session."
    severity: Severity = "medium" if "public" in control or "s-maxage" in control else "low"
    yield Finding("caches", severity, f"{endpoint.method} {endpoint.path} with the session", came, "14.3.2", mend)
