"""A server that webhooks are sent to: real HTTP, and each message verified by the package of Standard Webhooks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from standardwebhooks import Webhook as Verifier

__all__ = ["SECRET", "Receiver", "receiving"]

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwAAAAAAAAAAA="


class Receiver:
    """What came: each message's id, and what was in it. `answer` says what status the next one gets."""

    def __init__(self) -> None:
        self.got: list[tuple[str, dict[str, Any]]] = []
        self.answer: Callable[[dict[str, Any]], int] = lambda _: 204
        self.news = threading.Condition()
        self.url = ""

    def wait_for(self, count: int) -> list[tuple[str, dict[str, Any]]]:
        """The first so many that came."""
        with self.news:
            assert self.news.wait_for(lambda: len(self.got) >= count, timeout=30), self.got
            return self.got[:count]


@contextmanager
def receiving(port: int = 0) -> Iterator[Receiver]:
    """One that listens."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            data = Verifier(SECRET).verify(body, {name.lower(): value for name, value in self.headers.items()})
            with receiver.news:
                receiver.got.append((self.headers["webhook-id"], data))
                status = receiver.answer(data)
                receiver.news.notify_all()
            self.send_response(status)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing."""

    server = HTTPServer(("127.0.0.1", port), Handler)
    receiver.url = f"http://127.0.0.1:{server.server_port}/hook?from=here"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
