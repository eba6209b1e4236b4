"""The few request headers that matter to a session, found in one pass; and what an answer's headers must say."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["add_vary", "find_headers", "set_no_store", "text"]

HeaderList = list[tuple[bytes, bytes]]

_WANTED = frozenset(
    {b"cookie", b"host", b"origin", b"sec-fetch-site", b"authorization", b"sojourn-transport", b"user-agent"}
)


def find_headers(headers: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """The wanted headers by name. HTTP/2 may send a cookie header in parts: they are joined."""
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        if name in _WANTED:
            found[name] = found[name] + b"; " + value if name in found else value
    return found


def text(value: bytes | None) -> str | None:
    """A header's value as text; every byte has one."""
    return None if value is None else value.decode("latin-1")


def add_vary(headers: HeaderList, names: bytes) -> None:
    """Tell caches that the answer depends on the request headers `names`."""
    for index, (name, value) in enumerate(headers):
        if name.lower() == b"vary":
            # Whole names: X-Cookie-Consent does not say Cookie.
            present = {name.strip().lower() for name in value.split(b",")}
            if b"*" not in present and not present.issuperset(names.lower().split(b", ")):
                headers[index] = (name, value + b", " + names)
            return
    headers.append((b"vary", names))


def set_no_store(headers: HeaderList) -> None:
    """Keep the answer out of every cache, whatever the application said (CVE-2026-27205, CVE-2026-35192)."""
    headers[:] = [pair for pair in headers if pair[0].lower() != b"cache-control"]
    headers.append((b"cache-control", b"no-store"))
