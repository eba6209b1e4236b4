"""Proxy: what is between clients and a server, and can hang up, hold answers back, stop forwarding or forget."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from types import TracebackType
from typing import Self

__all__ = ["Proxy"]


class Proxy:
    """Forwards what comes to `port`, on 127.0.0.1, to a server's address, or socket. Runs from the start to `stop`."""

    def __init__(self, server: tuple[str, int] | str) -> None:
        self._server = server
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._asking = threading.Event()
        self._answering = threading.Event()
        self.resume()
        self._stopped = False
        self.delay = 0.0
        """Seconds that whatever comes is held up."""
        self._sockets: set[socket.socket] = set()
        self._forgotten: set[socket.socket] = set()
        self._lock = threading.Lock()  # over _stopped and both sets
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def pause(self) -> None:
        """Forward nothing: all sockets stay open, and new ones are accepted. A network that drops packets is alike."""
        self._asking.clear()
        self._answering.clear()

    def mute(self) -> None:
        """Forward what the server is asked, and none of its answers."""
        self._answering.clear()

    def resume(self) -> None:
        """Forward again, first what came meanwhile."""
        self._asking.set()
        self._answering.set()

    @property
    def connections(self) -> int:
        """How many there are, without those that are forgotten."""
        with self._lock:
            return len(self._sockets - self._forgotten) // 2

    def forget(self) -> None:
        """Drop in silence, for ever, what comes over the connections that there are. New ones are served."""
        with self._lock:
            self._forgotten |= self._sockets

    def cut(self) -> None:
        """Close all connections. New ones are served."""
        with self._lock:
            for each in self._sockets:
                _hang_up(each)

    def stop(self) -> None:
        """Close everything."""
        with self._lock:
            self._stopped = True
        _hang_up(self._listener)
        self.cut()
        self.resume()
        for thread in self._threads:
            thread.join(10)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):  # stopped
            while True:
                client, _ = self._listener.accept()
                self._threads = [thread for thread in self._threads if thread.is_alive()]
                thread = threading.Thread(target=self._serve, args=(client,), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError), _connected(self._server) as server:
            with self._lock:
                if self._stopped:
                    return
                self._sockets |= {client, server}
            answers = threading.Thread(target=self._pump, args=(server, client, self._answering), daemon=True)
            answers.start()
            self._pump(client, server, self._asking)
            answers.join()
            with self._lock:
                self._sockets -= {client, server}
                self._forgotten -= {client, server}

    def _pump(self, source: socket.socket, sink: socket.socket, flowing: threading.Event) -> None:
        with suppress(OSError):
            while received := source.recv(65536):
                flowing.wait()
                time.sleep(self.delay)
                if source not in self._forgotten:
                    sink.sendall(received)
        _hang_up(source)
        _hang_up(sink)


def _connected(server: tuple[str, int] | str) -> socket.socket:
    if not isinstance(server, str):
        return socket.create_connection(server)
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(server)
    return connection


def _hang_up(each: socket.socket) -> None:
    with suppress(OSError):  # hung up already
        each.shutdown(socket.SHUT_RDWR)
