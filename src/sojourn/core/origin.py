"""CSRF: whether an unsafe request came from the application's own pages.

Fetch Metadata first, then Origin against Host: the order of OWASP's cheat sheet and of Go 1.25.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from .errors import ConfigurationError

__all__ = ["exempt", "is_cross_origin", "is_foreign_handshake", "trusted"]

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

# An app in a shell has an origin of its own scheme: capacitor://localhost, chrome-extension://…
_ORIGIN = re.compile(
    r"(?!(?:wss?|ftp|file|data|javascript):)([a-z][a-z0-9+.-]*)://(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::([1-9][0-9]{0,4}))?"
).fullmatch
_PATH = re.compile(r"/[!\"$-)+->@-~]+").fullmatch
# A browser leaves out the port that the scheme means anyway.
_UNSAID = (("http", "80"), ("https", "443"))


def is_cross_origin(
    method: str, *, site: str | None, origin: str | None, host: str | None, trusted_origins: Collection[str]
) -> bool:
    """Whether this request must be refused as another site's doing.

    `site`, `origin`, `host` are the Sec-Fetch-Site, Origin and Host headers as sent. A request with neither
    Sec-Fetch-Site nor Origin is no browser's, and allowed. `same-site` is refused: siblings are not trusted.
    """
    if method in SAFE_METHODS or (origin is not None and origin in trusted_origins):
        return False
    if site is not None:
        return site not in ("same-origin", "none")
    return origin is not None and not _same_host(origin, host)


def is_foreign_handshake(*, origin: str | None, host: str | None, trusted_origins: Collection[str]) -> bool:
    """The same for a WebSocket handshake, a GET without Sec-Fetch-Site: Origin decides alone (ASVS 4.4.2)."""
    return origin is not None and origin not in trusted_origins and not _same_host(origin, host)


def _same_host(origin: str, host: str | None) -> bool:
    """Whether they are the same as URLs are: the port that the origin's scheme means may be said or not."""
    scheme, _, authority = origin.partition("://")
    port = dict(_UNSAID).get(scheme)
    if port is None or host is None:
        return False
    return authority.removesuffix(f":{port}") == host.lower().removesuffix(f":{port}") != ""


def trusted(origins: Collection[str]) -> frozenset[str]:
    """`origins` checked: scheme, host and port, exactly as a browser spells them (CVE-2025-47909)."""
    if isinstance(origins, str):
        raise ConfigurationError(f"trusted_origins={origins!r}: give a list of origins, not one text.")
    for origin in origins:
        match = _ORIGIN(origin)
        if not match or match.groups() in _UNSAID or int(match[2] or 0) > 65535:
            raise ConfigurationError(f"trusted_origins has {origin!r}: write it like 'https://app.example.com'.")
    return frozenset(origins)


def exempt(paths: Collection[str]) -> frozenset[str]:
    """`cross_site_paths` checked: whole paths, compared exactly with the one that the browser asked for."""
    if isinstance(paths, str):
        raise ConfigurationError(f"cross_site_paths={paths!r}: give a list of paths, not one text.")
    for path in paths:
        if not _PATH(path):
            raise ConfigurationError(f"cross_site_paths has {path!r}: give whole paths, such as '/auth/callback'.")
    return frozenset(paths)
