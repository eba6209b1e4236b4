"""Browser: what a site sees of one. It keeps the session's cookie and its connection."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from typing import Any, NamedTuple

__all__ = ["COOKIE", "Answer", "Browser"]

COOKIE = "__Host-session"


class Answer(NamedTuple):
    """An answer as it came; every header that came twice is there twice."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def all(self, name: str) -> list[str]:
        """The values of a header, its name in lower case."""
        return [value for other, value in self.headers if other.lower() == name]

    def one(self, name: str) -> str | None:
        """The value of a header that may come once at most."""
        found = self.all(name)
        assert len(found) <= 1, found
        return found[0] if found else None

    @property
    def varies(self) -> set[str]:
        """The names in Vary, in lower case."""
        return {name.strip().lower() for value in self.all("vary") for name in value.split(",")}

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def problem(self) -> str:
        """The code of a problem."""
        assert self.one("content-type") == "application/problem+json", (self.status, self.headers, self.body[:300])
        assert self.one("x-content-type-options") == "nosniff"
        assert self.json()["status"] == self.status
        return str(self.json()["type"]).removeprefix("urn:sojourn:problem:")


class Browser:
    """Sends its cookie, and keeps the one that it is given. `headers` go with every request."""

    def __init__(self, port: int, **headers: str) -> None:
        self.token = ""
        self._port = port
        self._headers = headers
        self._connection: HTTPConnection | None = None
        self._twins: list[Browser] = []

    def __call__(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None, **more: str
    ) -> Answer:
        """One request; a body that is not bytes goes as JSON."""
        sent = {"Accept": "*/*", **self._headers, **(headers or {}), **more}
        if self.token and "Cookie" not in sent:
            sent["Cookie"] = f"{COOKIE}={self.token}"
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        answer = self._send(method, path, body, sent)
        for value in answer.all("set-cookie"):
            pair, _, attributes = value.partition("; ")
            name, _, token = pair.partition("=")
            if name == COOKIE:
                self.token = "" if "Max-Age=0" in attributes else token
        return answer

    def get(self, path: str, **headers: str) -> Answer:
        return self("GET", path, headers=headers)

    def post(self, path: str, body: Any = None, **headers: str) -> Answer:
        return self("POST", path, body, headers)

    def act(self, action: str, body: Any = None) -> Any:
        """What the site's handler answers, which must work."""
        answer = self.post(f"/do/{action}", body)
        assert answer.status == 200, answer
        return answer.json()

    def show(self) -> Any:
        """The session as a handler sees it."""
        answer = self.get("/see/show")
        assert answer.status == 200, answer
        return answer.json()

    def log_in(self, user: str, **data: Any) -> str:
        """The new token."""
        self.act("login", {"user": user, "data": data})
        return self.token

    def other(self) -> Browser:
        """One that holds the same cookie, on a connection of its own: a parallel request, or a thief."""
        twin = Browser(self._port, **self._headers)
        twin.token = self.token
        self._twins.append(twin)
        return twin

    def close(self) -> None:
        """Hang up, and the others that hold its cookie too."""
        while self._twins:
            self._twins.pop().close()
        self._hang_up()

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _send(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> Answer:
        if self._connection is not None:
            # Kept alive, it may have been closed meanwhile: then once more, on a new one.
            with suppress(ConnectionError, HTTPException):
                return self._ask(self._connection, method, path, body, headers)
            self._hang_up()
        self._connection = HTTPConnection("127.0.0.1", self._port, timeout=30)
        return self._ask(self._connection, method, path, body, headers)

    def _ask(
        self, connection: HTTPConnection, method: str, path: str, body: bytes | None, headers: dict[str, str]
    ) -> Answer:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        found = Answer(response.status, response.getheaders(), response.read())
        if response.will_close:
            self._hang_up()
        return found
