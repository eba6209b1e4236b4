"""Connections: the ones to the service that threads share, each used by one thread at a time."""

from __future__ import annotations

import os
import socket
import time
from functools import cached_property
from typing import TYPE_CHECKING

from sojourn.core.errors import StoreUnavailable

from .address import Address
from .dialogue import Dialogue, is_cut
from .wire import Answer, Ask

if TYPE_CHECKING:
    import ssl

__all__ = ["IDLE_FOR", "Connections", "away"]

# The service closes after 75 s, proxies after 60: the one who closes should be the one who asks.
IDLE_FOR = 30.0
CHUNK = 65_536


class Connection:
    """One connection, and since when it is idle."""

    def __init__(self, address: Address, wire: socket.socket) -> None:
        self.dialogue = Dialogue(address)
        self.wire = wire
        self.idle_since = 0.0

    def ask(self, ask: Ask, deadline: float) -> Answer:
        """The answer of the service. Raises OSError, TimeoutError among them."""
        self.wire.settimeout(_left(deadline))
        self.wire.sendall(self.dialogue.request(ask))
        while True:
            self.wire.settimeout(_left(deadline))
            answer = self.dialogue.receive(self.wire.recv(CHUNK))
            if answer is not None:
                return answer


class Connections:
    """Opened when they are needed, kept for half a minute; as many as there are requests at one time."""

    def __init__(self, address: Address, timeout: float) -> None:
        self._address = address
        self._timeout = timeout
        self._idle: list[Connection] = []
        self._process = os.getpid()

    def ask(self, ask: Ask) -> Answer:
        """The answer of the service within the time-out. Raises StoreUnavailable."""
        deadline = time.monotonic() + self._timeout
        try:
            connection = self._take_idle()
            if connection is not None:
                try:
                    return self._ask(connection, ask, deadline)
                except (StoreUnavailable, ConnectionError):
                    # It died as it lay idle: nothing came back, and asking changes nothing.
                    if connection.dialogue.heard or not ask.again:
                        raise
            return self._ask(Connection(self._address, self._connect(deadline)), ask, deadline)
        except OSError as error:
            raise away(self._address, error, self._timeout) from error

    def _ask(self, connection: Connection, ask: Ask, deadline: float) -> Answer:
        answer = None
        try:
            answer = connection.ask(ask, deadline)
        finally:
            if answer is None or not connection.dialogue.may_go_on():
                connection.wire.close()
            else:
                connection.idle_since = time.monotonic()
                self._idle.append(connection)
        return answer

    def _take_idle(self) -> Connection | None:
        if self._process != os.getpid():
            # They are the parent's; closed here, they stay open there.
            self._process = os.getpid()
            self.close()
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return None
            if time.monotonic() < connection.idle_since + IDLE_FOR and not is_cut(connection.wire):
                return connection
            connection.wire.close()

    def _connect(self, deadline: float) -> socket.socket:
        address = self._address
        if address.path:
            wire = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        else:
            wire = socket.create_connection((address.host, address.port), _left(deadline))
        try:
            wire.settimeout(_left(deadline))
            if address.path:
                wire.connect(address.path)
            else:
                wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return self._tls.wrap_socket(wire, server_hostname=address.host) if address.tls else wire
        except BaseException:
            wire.close()
            raise

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        import ssl

        return ssl.create_default_context()

    def close(self) -> None:
        """Close the idle ones."""
        while self._idle:
            self._idle.pop().wire.close()


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
