"""Address: where a session service is, and the API key for it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from sojourn.core.errors import ConfigurationError
from sojourn.wire.api_key import API_KEY_PATTERN

__all__ = ["Address"]

_KEY = re.compile(API_KEY_PATTERN).fullmatch


@dataclass(frozen=True)
class Address:
    """`path` is a unix socket's; else it is TCP to `host` and `port`. `prefix` goes before `/v1/…`."""

    name: str
    host: str
    port: int
    path: str
    tls: bool
    prefix: str
    key_id: str
    key: str = field(repr=False)

    @classmethod
    def parse(cls, service: str, key: str) -> Address:
        """Where `service` leads to. Raises ConfigurationError, which names neither key nor password."""
        found = _KEY(key.strip())
        if found is None:
            raise ConfigurationError("This is no API key: it is like sjk1-…, and `sojourn keys make` makes one.")
        try:
            url = urlsplit(service)
            port = url.port
        except ValueError:
            raise _no_address() from None
        if url.username or url.password or url.query or url.fragment:
            raise _no_address()
        more = {"key_id": found[1], "key": found[0]}
        if url.scheme == "unix" and not url.netloc and url.path.startswith("/"):
            return cls(service, "localhost", 0, url.path, False, "", **more)
        if url.scheme not in ("http", "https") or not url.hostname:
            raise _no_address()
        tls = url.scheme == "https"
        port = port or (443 if tls else 80)
        return cls(service, url.hostname, port, "", tls, url.path.rstrip("/"), **more)

    @property
    def authority(self) -> str:
        """What the Host header says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port in (0, 443 if self.tls else 80) else f"{host}:{self.port}"


def _no_address() -> ConfigurationError:
    return ConfigurationError(
        "The service is given as http://host:port, https://host or unix:///path/to.sock, without a name or password: "
        "the API key is the second argument."
    )
