"""The session's cookie: found in a Cookie header, spelled for a Set-Cookie header (RFC 6265bis)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from .errors import ConfigurationError

__all__ = ["CookieOptions"]

_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}").fullmatch
_PATH = re.compile(r"/[\x21-\x3a\x3c-\x7e]*").fullmatch
_DOMAIN = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+").fullmatch


@dataclass(frozen=True, kw_only=True)
class CookieOptions:
    """How the token travels in a cookie. It is always HttpOnly, and Secure but for one loudly named setting.

    A wrong value raises ConfigurationError.

    `name`: up to 100 letters, digits and marks. `__Host-` makes browsers refuse the cookie from a sibling host or plain
    HTTP (OWASP, ASVS 3.3.3).
    `path`: the URLs that the cookie is sent to; `/`, all of them, is what `__Host-` asks for.
    `domain`: share it with sub-domains; needs another name, as `__Host-` forbids it.
    `same_site`: "none" is for pages in other sites' frames, and needs `partitioned`.
    `insecure_http`: no Secure and no `__Host-`: anyone on the network can read the token. For development in a
    browser that refuses Secure cookies on http://localhost (Safari), and nothing else.
    """

    name: str = "__Host-session"
    same_site: Literal["lax", "strict", "none"] = "lax"
    path: str = "/"
    domain: str | None = None
    partitioned: bool = False
    insecure_http: bool = False

    def __post_init__(self) -> None:
        if self.insecure_http and self.name == "__Host-session":
            object.__setattr__(self, "name", "session")
        if not _NAME(self.name):
            raise ConfigurationError(f"CookieOptions(name={self.name!r}): letters, digits and !#$%&'*+.^_`|~- only.")
        if not _PATH(self.path):
            raise ConfigurationError(f"CookieOptions(path={self.path!r}): start it with /, without spaces or ';'.")
        if self.domain is not None and not _DOMAIN(self.domain):
            raise ConfigurationError(f"CookieOptions(domain={self.domain!r}): write it like 'example.com'.")
        if self.same_site not in ("lax", "strict", "none"):
            raise ConfigurationError(f"CookieOptions(same_site={self.same_site!r}): give 'lax', 'strict' or 'none'.")
        if self.same_site == "none" and not self.partitioned:
            raise ConfigurationError(
                "CookieOptions(same_site='none') needs partitioned=True: a frame's own cookie jar."
            )
        prefix = self.name.lower()
        if prefix.startswith("__host-") and (self.domain is not None or self.path != "/"):
            raise ConfigurationError("A __Host- cookie has path='/' and no domain. Choose a name beginning __Secure-.")
        if self.insecure_http and (prefix.startswith(("__host-", "__secure-")) or self.partitioned):
            raise ConfigurationError(
                f"CookieOptions(insecure_http=True): browsers refuse {self.name!r} without Secure."
            )

    @cached_property
    def _named(self) -> bytes:
        return f"{self.name}=".encode()

    def find(self, header: bytes) -> list[str]:
        """The values under exactly this name in one Cookie header, as sent.

        Names are compared raw: neither `%5F%5FHost-` nor `..Host-` is `__Host-` (CVE-2020-7070, CVE-2022-31629).
        """
        named = self._named
        start = header.find(named)
        if start < 0:
            return []
        begin = start + len(named)
        if (start == 0 or header[start - 2 : start] == b"; ") and header.find(named, begin) < 0:
            # The header as browsers send it needs no taking apart.
            end = header.find(b";", begin)
            value = header[begin:] if end < 0 else header[begin:end]
            return [value.strip(b" \t").decode("latin-1")]
        found = []
        for pair in header.split(b";"):
            left, equals, value = pair.strip(b" \t").partition(b"=")
            if equals and left == named[:-1]:
                found.append(value.strip(b" \t").decode("latin-1"))
        return found

    def set(self, value: str, max_age: int | None) -> str:
        """A Set-Cookie value that keeps `value`: until the browser closes, or for `max_age` seconds."""
        age = "" if max_age is None else f"; Max-Age={max_age}"
        return f"{self.name}={value}{age}{self._attributes()}"

    def clear(self) -> str:
        """A Set-Cookie value that makes the browser forget the cookie."""
        return f"{self.name}=; Max-Age=0{self._attributes()}"

    def _attributes(self) -> str:
        domain = f"; Domain={self.domain}" if self.domain else ""
        secure = "" if self.insecure_http else "; Secure"
        partitioned = "; Partitioned" if self.partitioned else ""
        return f"; Path={self.path}{domain}{secure}; HttpOnly; SameSite={self.same_site.capitalize()}{partitioned}"
