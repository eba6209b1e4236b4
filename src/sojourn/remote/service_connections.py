"""ServiceConnections: the ones to the service that threads share, each used by one thread at a time."""

from __future__ import annotations

import os
import socket
import time
from functools import cached_property
from typing import TYPE_CHECKING

from sojourn.core.errors import StoreUnavailable

from .address import Address
from .http1 import Http1
from .service_call import ServiceAnswer, ServiceCall

if TYPE_CHECKING:
    import ssl

__all__ = ["CHUNK", "IDLE_FOR", "ServiceConnections", "away", "is_cut"]

# The service closes after 75 s, proxies after 60: the one who closes should be the one who asks.
IDLE_FOR = 30.0
CHUNK = 65_536


class ServiceConnection:
    """One connection, and since when it is idle."""

    def __init__(self, address: Address, sock: socket.socket) -> None:
        self.http = Http1(address)
        self.socket = sock
        self.idle_since = 0.0

    def ask(self, call: ServiceCall, deadline: float) -> ServiceAnswer:
        """The answer of the service. Raises OSError, TimeoutError among them."""
        self.socket.settimeout(_left(deadline))
        self.socket.sendall(self.http.request(call))
        while True:
            self.socket.settimeout(_left(deadline))
            answer = self.http.receive(self.socket.recv(CHUNK))
            if answer is not None:
                return answer


class ServiceConnections:
    """Opened when they are needed, kept for half a minute; as many as there are requests at one time."""

    def __init__(self, address: Address, timeout: float) -> None:
        self._address = address
        self._timeout = timeout
        self._idle: list[ServiceConnection] = []
        self._process = os.getpid()

    def ask(self, call: ServiceCall) -> ServiceAnswer:
        """The answer of the service within the time-out. Raises StoreUnavailable."""
        deadline = time.monotonic() + self._timeout
        try:
            connection = self._take_idle()
            if connection is not None:
                try:
                    return self._ask(connection, call, deadline)
                except (StoreUnavailable, ConnectionError):
                    # It died as it lay idle: nothing came back, and asking changes nothing.
                    if connection.http.heard or not call.repeatable:
                        raise
            return self._ask(ServiceConnection(self._address, self._connect(deadline)), call, deadline)
        except OSError as error:
            raise away(self._address, error, self._timeout) from error

    def _ask(self, connection: ServiceConnection, call: ServiceCall, deadline: float) -> ServiceAnswer:
        answer = None
        try:
            answer = connection.ask(call, deadline)
        finally:
            if answer is None or not connection.http.may_go_on():
                connection.socket.close()
            else:
                connection.idle_since = time.monotonic()
                self._idle.append(connection)
        return answer

    def _take_idle(self) -> ServiceConnection | None:
        if self._process != os.getpid():
            # They are the parent's; closed here, they stay open there.
            self._process = os.getpid()
            self.close()
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return None
            if time.monotonic() < connection.idle_since + IDLE_FOR and not is_cut(connection.socket):
                return connection
            connection.socket.close()

    def _connect(self, deadline: float) -> socket.socket:
        address = self._address
        if address.path:
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        else:
            sock = socket.create_connection((address.host, address.port), _left(deadline))
        try:
            sock.settimeout(_left(deadline))
            if address.path:
                sock.connect(address.path)
            else:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return self._tls.wrap_socket(sock, server_hostname=address.host) if address.tls else sock
        except BaseException:
            sock.close()
            raise

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        import ssl

        return ssl.create_default_context()

    def close(self) -> None:
        """Close the idle ones."""
        while self._idle:
            self._idle.pop().socket.close()


def away(address: Address, error: OSError, timeout: float) -> StoreUnavailable:
    """What became of a request to a service that could not be asked."""
    if isinstance(error, TimeoutError):
        return StoreUnavailable(f"The session service at {address.name} did not answer within {timeout:g} s.")
    return StoreUnavailable(f"The session service at {address.name} cannot be reached: {error.strerror or error}.")


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def is_cut(sock: socket.socket) -> bool:
    """Whether the service closed a connection that lies idle: of itself it sends nothing but its farewell."""
    sock.settimeout(0)
    try:
        # Past TLS, which cannot look without taking.
        socket.socket.recv(sock, 1, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True
