"""Relay: what is between a back end and the session service."""

from __future__ import annotations

import re
import socket
import socketserver
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from tests.servers.port import find_port
from tests.servers.process import Running

__all__ = ["Relay"]

_BODY = b'{"type":"urn:sojourn:problem:not-found","title":"","status":404,"detail":""}'
_NOT_FOUND = b"HTTP/1.1 404 Not Found\r\ncontent-type: application/problem+json\r\ncontent-length: %d\r\n\r\n%b" % (
    len(_BODY),
    _BODY,
)


class Relay(Running):
    """Between a back end and the service: counts what passes, and can hold it up or break it off.

    With `key_instead`, the back end is one that was given this key. `before_commit` is called before the next commit
    passes: by then the back end has made up its mind.
    """

    def __init__(self, port: int) -> None:
        # Of the service, for connections from now on. With the next answer the service says farewell to its connection.
        self.port, self.farewell = port, False
        self.connections = 0
        self.opens = self.commits = 0  # alone, and in batches
        self.paths: list[str] = []
        self.tokens: set[str] = set()
        self.delay = 0.0
        self.hang_up_after_request = self.hang_up_once = self.lose_answers = self.drips = False
        self.answer_instead: bytes | None = None
        # So many batches with a commit are passed on, and their answers are not; and a service is one that knows none.
        self.break_batches = 0
        self.hides_batches = False
        # So is one from the first batch on that it is asked.
        self.forgets_batches = False
        self.key_instead: str | None = None
        self.before_commit: Callable[[], object] | None = None
        relay = self
        open_sockets: list[socket.socket] = []
        self._sockets = open_sockets

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                relay.connections += 1
                with suppress(OSError), socket.create_connection(("127.0.0.1", relay.port)) as service:
                    open_sockets.extend((self.request, service))
                    threading.Thread(target=relay.pass_answers, args=(service, self.request), daemon=True).start()
                    relay.pass_requests(self.request, service)

        class Listener(socketserver.ThreadingTCPServer):
            daemon_threads = True
            block_on_close = False
            allow_reuse_address = True
            request_queue_size = 1024  # many at once: who finds no room waits for seconds

        self._listener = Listener(("127.0.0.1", find_port()), Handler)
        self.url = f"http://127.0.0.1:{self._listener.server_address[1]}"
        threading.Thread(target=self._listener.serve_forever, args=(0.05,), daemon=True).start()

    def pass_requests(self, back_end: socket.socket, service: socket.socket) -> None:
        while received := back_end.recv(65536):
            if received.startswith(b"POST /v1/batch"):
                received += _rest(received, back_end)
            self.paths += re.findall(r"^POST (/v1/\w+)", received.decode("latin-1"), re.MULTILINE)
            calls = re.findall(rb'^(?:POST /v1/|\{")(open|commit)[ "]', received, re.MULTILINE)
            self.opens += calls.count(b"open")
            self.commits += calls.count(b"commit")
            self.tokens.update(re.findall(r'"token": ?"(sj1-[^"]+)"', received.decode("latin-1")))
            if self.before_commit is not None and received.startswith(b"POST /v1/commit"):
                act, self.before_commit = self.before_commit, None
                act()
            if self.key_instead is not None:
                key = b"Bearer " + self.key_instead.encode()
                received = re.sub(rb"(?i)(?<=\nauthorization: )[^\r]+", key, received)
            if self.hang_up_after_request or self.hang_up_once:
                self.hang_up_once = False
                back_end.shutdown(socket.SHUT_RDWR)
            elif self.break_batches and received.startswith(b"POST /v1/batch") and b'{"commit":' in received:
                self.break_batches -= 1
                back_end.shutdown(socket.SHUT_RDWR)
                service.sendall(received)
            elif (self.hides_batches or self.forgets_batches) and received.startswith(b"POST /v1/batch"):
                self.hides_batches = True
                back_end.sendall(_NOT_FOUND)
            elif self.answer_instead is not None:
                back_end.sendall(self.answer_instead)
            else:
                service.sendall(received)

    def pass_answers(self, service: socket.socket, back_end: socket.socket) -> None:
        with suppress(OSError):
            while received := service.recv(65536):
                if self.hides_batches:
                    received = re.sub(rb"sojourn-batches: \d+\r\n", b"", received)
                if self.farewell:
                    self.farewell = False
                    received = received.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n", 1)
                time.sleep(self.delay)
                if self.lose_answers:
                    break
                while self.drips and len(received) > 1:
                    back_end.sendall(received[:1])
                    received = received[1:]
                    time.sleep(0.02)
                back_end.sendall(received)
        with suppress(OSError):  # the service hung up, or might as well have
            back_end.shutdown(socket.SHUT_RDWR)

    def forget(self) -> None:
        self.connections = self.opens = self.commits = 0
        self.paths.clear()
        self.tokens.clear()

    def close_connections(self) -> None:
        """As a service does that restarts, or tires of idle connections."""
        for each in self._sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        self._sockets.clear()

    def stop(self) -> None:
        self._listener.shutdown()
        self._listener.server_close()
        self.close_connections()


def _rest(request: bytes, sender: socket.socket) -> bytes:
    """What is still to come of a request: a batch is judged as a whole."""
    rest = b""
    while True:
        head, _, body = (request + rest).partition(b"\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
        if body and (length is None or len(body) >= int(length[1])):
            return rest
        more = sender.recv(65536)
        if not more:
            return rest
        rest += more
