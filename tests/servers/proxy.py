"""Proxy: what is between a client and a server, and can stop forwarding, forget or hang up."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress

from tests.servers.process import Running

__all__ = ["Proxy"]


class Proxy(Running):
    """Forwards what comes to `port`, on 127.0.0.1, to the server's port there, or socket. Runs from the start."""

    def __init__(self, server: int | str) -> None:
        self._server: tuple[str, int] | str = ("127.0.0.1", server) if isinstance(server, int) else server
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._flowing = threading.Event()
        self._flowing.set()
        self._stopped = False
        self.delay = 0.0
        """Seconds that whatever comes is held up."""
        self._sockets: set[socket.socket] = set()
        self._forgotten: set[socket.socket] = set()
        self._lock = threading.Lock()  # over _stopped and both sets
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def pause(self) -> None:
        """Forward nothing: all sockets stay open, and new ones are accepted. A network that drops packets is alike."""
        self._flowing.clear()

    def resume(self) -> None:
        """Forward again, first what came meanwhile."""
        self._flowing.set()

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
                thread = threading.Thread(target=self._serve, args=(client,), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _serve(self, client: socket.socket) -> None:
        family = socket.AF_UNIX if isinstance(self._server, str) else socket.AF_INET
        with client, socket.socket(family) as server:
            with suppress(OSError):  # there is no server
                server.connect(self._server)
                with self._lock:
                    if self._stopped:
                        return
                    self._sockets |= {client, server}
                answering = threading.Thread(target=self._pump, args=(server, client), daemon=True)
                answering.start()
                self._pump(client, server)
                answering.join()
            with self._lock:
                self._sockets -= {client, server}
                self._forgotten -= {client, server}

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while received := source.recv(65536):
                self._flowing.wait()
                time.sleep(self.delay)
                if source not in self._forgotten:
                    sink.sendall(received)
        _hang_up(source)
        _hang_up(sink)


def _hang_up(each: socket.socket) -> None:
    with suppress(OSError):  # hung up already
        each.shutdown(socket.SHUT_RDWR)
