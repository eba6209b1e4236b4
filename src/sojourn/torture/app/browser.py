"""Browser: a visitor's, as far as cookies go."""

from __future__ import annotations

import http.client
import io
import math
import re
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from sojourn.core.errors import ConfigurationError

from .endpoint import AppEndpoint

__all__ = ["AppAnswer", "Browser", "Site"]

TIMEOUT = 60.0
# More than a page that shows what was written; what goes on for ever is cut here.
MAX_BODY = 4 * 1024 * 1024


class AppAnswer(NamedTuple):
    """What came back. `status` is 0 where nothing did: then the body says why."""

    status: int
    body: str
    headers: tuple[tuple[str, str], ...] = ()

    def header(self, name: str) -> str:
        """All values of a header, joined as HTTP does; empty where it is not there."""
        return ", ".join(value for key, value in self.headers if key.lower() == name)

    @property
    def is_good(self) -> bool:
        """Whether the application says that it did it: a form is answered with a redirect to the next page."""
        return 200 <= self.status < 300 or self.status in (302, 303)


class Site(NamedTuple):
    """Where the application is, and what is sent with each request beside the cookies.

    `patience`: the longest that a whole answer may take, in seconds. After `deadline`, of time.monotonic(), nothing is
    sent any more.
    """

    scheme: str
    host: str
    port: int
    prefix: str
    headers: tuple[tuple[str, str], ...] = ()
    patience: float = TIMEOUT
    deadline: float = math.inf

    @classmethod
    def parse(cls, url: str, headers: Mapping[str, str]) -> Site:
        """The site at `url`. Raises ConfigurationError."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            parts, port = urlsplit(""), None
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigurationError("The application's URL is like http://localhost:8000 or https://test.example.org.")
        port = port or (443 if parts.scheme == "https" else 80)
        return cls(parts.scheme, parts.hostname, port, parts.path.rstrip("/"), tuple(headers.items()))

    @property
    def origin(self) -> str:
        """What a browser sends as Origin from one of the application's own pages."""
        usual = 443 if self.scheme == "https" else 80
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + ("" if self.port == usual else f":{self.port}")

    def connect(self) -> http.client.HTTPConnection:
        """A connection of its own for one request. Raises OSError."""
        left = self.left
        if left <= 0:
            raise TimeoutError("the time for all of it is over")
        kind = http.client.HTTPSConnection if self.scheme == "https" else http.client.HTTPConnection
        connection = kind(self.host, self.port, timeout=left)
        connection.connect()
        return connection

    @property
    def left(self) -> float:
        """The seconds that an answer may take which is asked for now."""
        return min(self.patience, self.deadline - time.monotonic())


@dataclass
class Browser:
    """A cookie jar, with the attributes that its cookies came with. Requests may be sent from several threads."""

    site: Site
    jar: dict[str, str] = field(default_factory=dict)
    attributes: dict[str, dict[str, str]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def copy(self) -> Browser:
        """Another browser with the same cookies, as one who stole or planted them has."""
        return Browser(self.site, dict(self.jar))

    def send(
        self,
        endpoint: AppEndpoint,
        number: int = 0,
        gate: threading.Barrier | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> AppAnswer:
        """Send a request, once `gate` opens, and keep the cookies of the answer in the order that answers come.

        `headers` go in place of a same-origin page's own; the cookies are sent all the same.
        """
        path, body = endpoint.filled(number)
        sent = self._headers(endpoint) if headers is None else {**headers, **self._cookies()}
        try:
            connection = self.site.connect()
        except OSError as error:
            if gate:
                gate.abort()
            return AppAnswer(0, str(error))
        try:
            if gate:
                gate.wait()
            connection.response_class = partial(_TimelyResponse, end=time.monotonic() + self.site.left)  # type: ignore[assignment]
            connection.request(endpoint.method, self.site.prefix + path, body, sent)
            response = connection.getresponse()
            text = response.read(MAX_BODY).decode("utf-8", "replace")
            answer = AppAnswer(response.status, text, tuple(response.headers.items()))
        except http.client.RemoteDisconnected:
            return AppAnswer(0, "it hung up")
        except http.client.BadStatusLine:
            return AppAnswer(0, "what answers there does not speak HTTP")
        except (OSError, threading.BrokenBarrierError) as error:
            return AppAnswer(0, f"{type(error).__name__}: {error}")
        except (ValueError, http.client.HTTPException) as error:
            # Its text may hold what came, and that a cookie.
            return AppAnswer(0, f"it is not HTTP as it should be: {type(error).__name__}")
        finally:
            connection.close()
        self._keep(response.headers.get_all("set-cookie") or ())
        return answer

    def _headers(self, endpoint: AppEndpoint) -> dict[str, str]:
        jar = dict(self.jar)
        headers = {"Origin": self.site.origin, "Sec-Fetch-Site": "same-origin", "Accept": "application/json, */*;q=0.8"}
        headers |= {name: _with_cookies(value, jar) for name, value in self.site.headers}
        if endpoint.content_type:
            headers["Content-Type"] = endpoint.content_type
        return headers | self._cookies()

    def _cookies(self) -> dict[str, str]:
        jar = dict(self.jar)
        return {"Cookie": "; ".join(f"{name}={value}" for name, value in jar.items())} if jar else {}

    def _keep(self, lines: Sequence[str]) -> None:
        with self._lock:
            for line in lines:
                name, value, attributes = taken_apart(line)
                gone = attributes.get("max-age", "").startswith(("0", "-")) or "1970" in attributes.get("expires", "")
                if gone or not value:
                    self.jar.pop(name, None)
                else:
                    self.jar[name], self.attributes[name] = value, attributes


class _TimelyResponse(http.client.HTTPResponse):
    """An answer that must have come to its `end`, of time.monotonic()."""

    def __init__(self, connection: socket.socket, *, end: float, **options: Any) -> None:
        super().__init__(connection, **options)
        self.fp = io.BufferedReader(_Pieces(self.fp.detach(), connection, end))


class _Pieces(io.RawIOBase):
    """A connection's timeout is for each piece alone: what comes in drops would never be late."""

    def __init__(self, raw: Any, connection: socket.socket, end: float) -> None:
        self._raw = raw
        self._connection = connection
        self._end = end

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer did not come to its end in time")
        self._connection.settimeout(left)
        read: int | None = self._raw.readinto(buffer)
        return read

    def close(self) -> None:
        self._raw.close()
        super().close()


def taken_apart(line: str) -> tuple[str, str, dict[str, str]]:
    """The name, the value and the attributes, their names in lower case, of a Set-Cookie line."""
    first, *rest = line.split(";")
    name, _, value = first.partition("=")
    pairs = [part.partition("=") for part in rest]
    return name.strip(), value.strip(), {key.strip().lower(): given.strip() for key, _, given in pairs}


def _with_cookies(value: str, jar: Mapping[str, str]) -> str:
    """A header's value with each {cookie:NAME} filled in, as a page's script does for a CSRF token."""
    return re.sub(r"\{cookie:([^}]+)\}", lambda found: jar.get(found[1], ""), value)
