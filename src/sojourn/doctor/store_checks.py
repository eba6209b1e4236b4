"""The checks of a store: what its server says of itself, who may read its file, whether its wire is in the clear."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from sojourn.stores.store_url import StoreURL
from sojourn.stores.weaknesses import store_weaknesses

from .finding import Finding

__all__ = ["examine_store"]

LOOPBACK = ("", "localhost", "127.0.0.1", "::1")
ENCRYPTED = ("require", "verify-ca", "verify-full")
OTHERS = 0o077
WRITERS = 0o022


def examine_store(url: str) -> list[Finding]:
    """All findings. Raises ConfigurationError or StoreUnavailable as open_store does."""
    at = StoreURL.parse(url)
    if at.path is not None:
        return list(_of_file(Path(at.path)))
    found = [
        Finding("server", "medium", "what the server says of itself", text, "", "") for text in store_weaknesses(url)
    ]
    return [*_of_wire(at), *found]


def _of_file(path: Path) -> Iterator[Finding]:
    about = path.stat()
    if about.st_mode & OTHERS:
        came = f"mode {about.st_mode & 0o777:03o}: others on this machine may read the sessions, or change them"
        yield Finding("file mode", "medium", f"stat {path}", came, "", f"chmod 600 {path}")
    folder = path.absolute().parent
    mode = folder.stat().st_mode
    if mode & WRITERS and not mode & 0o1000:
        came = f"mode {mode & 0o777:03o}: others may put another file in its place"
        yield Finding("folder mode", "medium", f"stat {folder}", came, "", f"chmod go-w {folder}")
    if hasattr(os, "geteuid") and about.st_uid != os.geteuid():
        came = "the file is another user's than who asks"
        yield Finding("file owner", "cannot tell", f"stat {path}", came, "", "See that it is the application's user.")


def _of_wire(at: StoreURL) -> Iterator[Finding]:
    parts = urlsplit(at.bare)
    host = parts.hostname or ""
    if host in LOOPBACK or "," in parts.netloc or at.scheme.startswith("rediss"):
        return
    if at.scheme.startswith("redis"):
        mend = "Let Redis listen with TLS, and write rediss:// in the URL."
        yield Finding("wire", "cannot tell", "the store's URL", f"plain TCP to {host}", "", mend)
    elif parse_qs(parts.query).get("sslmode", [""])[0] not in ENCRYPTED:
        came = f"sslmode of the URL lets the connection to {host} be in the clear"
        yield Finding("wire", "cannot tell", "the store's URL", came, "", "Add sslmode=verify-full to the URL.")
