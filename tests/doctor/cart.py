"""A cart on sessions of its own, served in this process, which a test can have fail in ways of its own."""

from __future__ import annotations

import http.server
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sojourn.torture.app import AppEndpoint, Application, Site

__all__ = ["Cart", "serve_cart"]


@dataclass
class Cart:
    """A write sets one key; of the key `last` the last five are kept.

    `spoil` is asked before each answer, and gives it where it returns True. `headers` are in all others.
    """

    port: int = 0
    answers: int = 0
    spoilt: int = 0
    sessions: dict[str, dict[str, str]] = field(default_factory=dict)
    tokens: set[str] = field(default_factory=set)
    spoil: Callable[[Handler], bool] = lambda handler: False
    headers: Callable[[Handler], dict[str, str]] = lambda handler: {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def application(self) -> Application:
        """As it is told to the doctor: its writes set one key each."""
        writes = [AppEndpoint("PUT", f"/{key}/{{n}}", "") for key in ("tea", "cup")]
        return Application(
            Site.parse(self.url, {}),
            AppEndpoint("POST", "/login", ""),
            writes[0],
            AppEndpoint("GET", "/", ""),
            AppEndpoint("POST", "/logout", ""),
            other_writes=(writes[1],),
        )


class Handler(http.server.BaseHTTPRequestHandler):
    """One request of the cart's."""

    cart: Cart

    @property
    def token(self) -> str:
        pairs = [pair.strip().partition("=") for pair in (self.headers.get("cookie") or "").split(";")]
        return next((value for name, _, value in pairs if name == "__Host-cart"), "")

    def is_spoilt(self) -> bool:
        self.cart.tokens |= {self.token} - {""}
        self.cart.answers += 1
        return self.cart.spoil(self)

    def do_GET(self) -> None:
        if not self.is_spoilt():
            self.answer(self.cart.sessions.get(self.token, {}))

    def do_OPTIONS(self) -> None:
        self.answer({})

    def do_POST(self) -> None:
        if self.is_spoilt():
            return
        if self.path == "/logout":
            self.cart.sessions.pop(self.token, None)
            self.answer({})
        else:
            token = f"z{secrets.token_hex(16)}"  # no number, as a chunk's length is
            self.cart.tokens.add(token)
            self.cart.sessions[token] = {}
            self.answer({}, token)

    def do_PUT(self) -> None:
        if self.is_spoilt():
            return
        _, key, number = self.path.split("/")
        if (session := self.cart.sessions.get(self.token)) is not None:
            session[key] = " ".join([*session.get(key, "").split(), number][-5:]) if key == "last" else number
        self.answer({})

    def answer(self, document: Any, token: str = "") -> None:
        body = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        if token:
            self.send_header("Set-Cookie", f"__Host-cart={token}; Secure; HttpOnly; SameSite=Lax; Path=/")
        for name, value in self.cart.headers(self).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def drip(self, piece: bytes) -> bool:
        """Answer with `piece` again and again, for far longer than a test takes."""
        end = time.monotonic() + 60
        while time.monotonic() < end:
            self.wfile.write(piece)
            time.sleep(0.02)
        return True

    def handle(self) -> None:
        try:
            super().handle()
        except OSError:
            """It was not read on."""

    def log_message(self, *args: Any) -> None:
        """Not on the test's output."""


@contextmanager
def serve_cart() -> Iterator[Cart]:
    cart = Cart()
    handler = type("Handler", (Handler,), {"cart": cart})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        cart.port = server.server_port
        threading.Thread(target=server.serve_forever, args=(0.02,)).start()
        try:
            yield cart
        finally:
            server.shutdown()
