"""A back end: what an adapter does, in a few lines."""

from __future__ import annotations

import http.client
import json
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tests.server import Server, run_server

COMMAND = [sys.executable, "-m", "sojourn"]


def make_key(path: Path, *scopes: str) -> str:
    """A new API key in the file `path`."""
    words = [word for scope in scopes for word in ("--scope", scope)]
    name = f"test {secrets.token_hex(4)}"
    done = subprocess.run(
        [*COMMAND, "keys", "make", "--keys", path, "--name", name, *words], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@contextmanager
def start(folder: Path, *words: str, env: Mapping[str, str] | None = None) -> Iterator[Server]:
    """`sojourn serve` with `words`, once it answers; its log is in `folder`."""
    command = [*COMMAND, "serve", "--port", "{port}", *words]
    with run_server(command, folder / "service.log", path="/health", env=env) as server:
        yield server


@dataclass(frozen=True)
class Answer:
    """An HTTP answer."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """What a problem's type says."""
        assert self.headers["content-type"] == "application/problem+json"
        assert self.headers["x-content-type-options"] == "nosniff"
        assert self.json["status"] == self.status
        kind: str = self.json["type"]
        return kind.removeprefix("urn:sojourn:problem:")


class Backend:
    """One keep-alive connection to the service, with an API key."""

    def __init__(self, port: int, key: str) -> None:
        self._connection = http.client.HTTPConnection("localhost", port, timeout=20)
        self.key = key

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._connection.close()

    def request(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str | None] | None = None
    ) -> Answer:
        """An answer, whatever its status. `body` is sent as JSON unless it is bytes; a header of None is left out."""
        self.ask(method, path, body, headers)
        response = self._connection.getresponse()
        return Answer(response.status, response.headers, response.read())

    def ask(self, method: str, path: str, body: Any = None, headers: Mapping[str, str | None] | None = None) -> None:
        """As `request`, but for the answer."""
        sent = {"authorization": f"Bearer {self.key}", "content-type": "application/json", **(headers or {})}
        text = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        self._connection.request(method, path, text, {name: value for name, value in sent.items() if value is not None})

    def open(self, token: str, **shown: Any) -> Any:
        """What /v1/open answers, which is to be 200."""
        return self._post("/v1/open", {"token": token, **shown})

    def commit(self, token: str | None = None, **wanted: Any) -> Any:
        """What /v1/commit answers, which is to be 200."""
        told = {} if token is None else {"status": "active"}
        return self._post("/v1/commit", {"token": token, **told, **wanted})

    def log_in(self, user_id: str, **data: Any) -> str:
        """A new session of this user; its token."""
        changes = {key: {"value": value} for key, value in data.items()}
        token: str = self.commit(changes=changes, action={"type": "login", "user_id": user_id})["token"]
        return token

    def _post(self, path: str, body: Any) -> Any:
        answer = self.request("POST", path, body)
        assert answer.status == 200, answer.body
        return answer.json
