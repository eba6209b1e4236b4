"""Visitor: who uses a site on the session service, and what it answers."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

__all__ = ["COOKIE", "Answer", "Visitor"]

COOKIE = "__Host-session"


@dataclass(frozen=True)
class Answer:
    """An HTTP answer of the site."""

    status: int
    headers: http.client.HTTPMessage
    body: str
    took: float

    @property
    def results(self) -> list[Any]:
        """What each step came to."""
        assert self.status == 200, self.body
        results: list[Any] = json.loads(self.body)
        return results

    @property
    def code(self) -> str:
        """What a problem's type says."""
        assert self.headers["content-type"] == "application/problem+json", self.body
        assert self.headers["cache-control"] == "no-store"
        assert self.headers["x-content-type-options"] == "nosniff"
        assert self.problem["status"] == self.status
        kind: str = self.problem["type"]
        return kind.removeprefix("urn:sojourn:problem:")

    @property
    def problem(self) -> Any:
        return json.loads(self.body)

    @property
    def cookies(self) -> list[str]:
        """The Set-Cookie headers."""
        return self.headers.get_all("set-cookie") or []


@dataclass
class Visitor:
    """A browser that keeps the session's cookie, and shows it."""

    port: int
    token: str | None = None
    seen: set[str] = field(default_factory=set)

    def do(self, *steps: Sequence[Any], **ask: Any) -> Answer:
        """Have the application do these steps."""
        return self.ask(do=list(steps), **ask)

    def ask(self, *, method: str = "POST", headers: Mapping[str, str] | None = None, **ask: Any) -> Answer:
        path = f"/?ask={quote(json.dumps(ask))}" if method == "GET" else "/"
        return self.send(method, path, None if method == "GET" else json.dumps(ask), headers)

    def post(self, **form: str) -> Answer:
        """Send a form, and follow where it leads."""
        assert (
            self.send("POST", "/", urlencode(form), {"content-type": "application/x-www-form-urlencoded"}).status == 303
        )
        return self.send("GET", "/")

    def send(
        self, method: str, path: str, content: str | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        sent = {"user-agent": "Visitor/1.0", **({"cookie": f"{COOKIE}={self.token}"} if self.token else {})}
        began = time.monotonic()
        try:
            connection.request(method, path, content, {**sent, **(headers or {})})
            response = connection.getresponse()
            body = response.read().decode("utf-8", "replace")
        finally:
            connection.close()
        answer = Answer(response.status, response.headers, body, time.monotonic() - began)
        for cookie in answer.cookies:
            name, _, value = cookie.partition(";")[0].partition("=")
            if name == COOKIE:
                self.token = value or None
                self.seen |= {value} if value else set()
        return answer

    def copy(self) -> Visitor:
        """Another of its tabs, or who stole its cookie."""
        return Visitor(self.port, self.token, self.seen)

    def data(self, **ask: Any) -> Any:
        """The session's data."""
        return self.do(["data"], **ask).results[0] or {}

    def facts(self, **ask: Any) -> Any:
        """The session's id, user, …"""
        return self.do(["facts"], **ask).results[0]
