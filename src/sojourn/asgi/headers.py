"""Request headers by name, and what an answer's headers must say."""

from __future__ import annotations

from collections.abc import Sequence

from sojourn.core.transport import Header

__all__ = ["add_vary", "find_headers", "of", "set_no_store"]

HeaderList = list[tuple[bytes, bytes]]


def find_headers(headers: Sequence[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """The headers by name. HTTP/2 may send a cookie header in parts: they are joined, as any that comes twice."""
    found = dict(headers)
    if len(found) < len(headers):
        found.clear()
        for name, value in headers:
            found[name] = found[name] + b"; " + value if name in found else value
    return found


def of(headers: dict[bytes, bytes]) -> Header:
    """A look-up in `headers` as text; every byte has a letter in it."""

    def find(name: str) -> str | None:
        value = headers.get(name.encode())
        return None if value is None else value.decode("latin-1")

    return find


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
