"""AsyncServiceConnections: the ones to the service that the tasks of an event loop share."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property

from sojourn.core.errors import StoreUnavailable

from .address import Address
from .async_batches import AsyncBatches
from .batch import goes_together
from .http1 import Http1
from .service_call import ServiceAnswer, ServiceCall
from .service_connections import CHUNK, IDLE_FOR, away, is_cut

__all__ = ["AsyncServiceConnections"]


class AsyncServiceConnection:
    """One connection, and since when it is idle.

    A bare socket, not a transport: whichever loop it served, it can be closed without it.
    """

    def __init__(self, address: Address, sock: socket.socket) -> None:
        self.http = Http1(address)
        self.socket = sock
        self.idle_since = 0.0
        self._tls: ssl.SSLObject | None = None
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()

    async def begin_tls(self, context: ssl.SSLContext, host: str) -> None:
        """Shake hands, before the first request."""
        tls = self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        while True:
            try:
                tls.do_handshake()
            except ssl.SSLWantReadError:
                await self._flush()
                await self._fill()
            else:
                return await self._flush()

    async def ask(self, call: ServiceCall, heard: Callable[[], None] | None = None) -> ServiceAnswer:
        """The answer of the service; `heard` is called with each piece that comes of it. Raises OSError."""
        # In no local: a request holds a token and the key, and a reporter of errors sends what frames hold.
        if self._tls is None:
            await asyncio.get_running_loop().sock_sendall(self.socket, self.http.request(call))
        else:
            self._tls.write(self.http.request(call))
            await self._flush()
        while True:
            answer = self.http.receive(await self._receive())
            if heard is not None:
                heard()
            if answer is not None:
                return answer

    async def _receive(self) -> bytes:
        if self._tls is None:
            return await asyncio.get_running_loop().sock_recv(self.socket, CHUNK)
        while True:
            try:
                return self._tls.read(CHUNK)
            except ssl.SSLWantReadError:
                await self._fill()
            except ssl.SSLZeroReturnError:
                return b""

    async def _flush(self) -> None:
        data = self._outgoing.read()
        if data:
            await asyncio.get_running_loop().sock_sendall(self.socket, data)

    async def _fill(self) -> None:
        data = await asyncio.get_running_loop().sock_recv(self.socket, CHUNK)
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()


class AsyncServiceConnections:
    """As ServiceConnections, awaited."""

    def __init__(self, address: Address, timeout: float) -> None:
        self._address = address
        self._timeout = timeout
        self._idle: list[AsyncServiceConnection] = []
        self._batches: AsyncBatches | None = None
        self.most_together = 0

    async def ask(self, call: ServiceCall) -> ServiceAnswer:
        """The answer of the service within the time-out. Raises StoreUnavailable."""
        if not self.most_together or not goes_together(call):
            return await self.ask_alone(call, self._timeout)
        batches, loop = self._batches, asyncio.get_running_loop()
        if batches is None or batches.loop is not loop:
            batches = self._batches = AsyncBatches(self, loop)
        return await batches.ask(call, self._timeout)

    async def ask_alone(self, call: ServiceCall, within: float) -> ServiceAnswer:
        """The answer to a request of its own. Raises StoreUnavailable."""
        try:
            async with asyncio.timeout(within):
                connection = self._take_idle()
                if connection is not None:
                    try:
                        return await self._ask(connection, call)
                    except (StoreUnavailable, ConnectionError):
                        # It died as it lay idle: nothing came back, and asking changes nothing.
                        if connection.http.heard or not call.repeatable:
                            raise
                return await self._ask(await self._connect(), call)
        except OSError as error:
            raise away(self._address, error, self._timeout) from _without_frames(error)

    async def any_idle_or_new(self) -> AsyncServiceConnection:
        """A connection for a batch. Raises StoreUnavailable where none can be made: nothing was sent."""
        try:
            async with asyncio.timeout(self._timeout):
                return self._take_idle() or await self._connect()
        except OSError as error:
            raise away(self._address, error, self._timeout) from _without_frames(error)

    async def ask_on(
        self, connection: AsyncServiceConnection, call: ServiceCall, heard: Callable[[], None]
    ) -> ServiceAnswer:
        """The answer to a batch; `heard` is called with each piece that comes of it. Raises StoreUnavailable."""
        try:
            async with asyncio.timeout(self._timeout):
                return await self._ask(connection, call, heard)
        except OSError as error:
            raise away(self._address, error, self._timeout) from _without_frames(error)

    def late(self) -> StoreUnavailable:
        """What is said of a call that was not answered within the time-out."""
        return away(self._address, TimeoutError(), self._timeout)

    async def _ask(
        self, connection: AsyncServiceConnection, call: ServiceCall, heard: Callable[[], None] | None = None
    ) -> ServiceAnswer:
        answer = None
        try:
            answer = await connection.ask(call, heard)
        finally:
            # Cancelled in the middle, it would give the next request this one's answer.
            if answer is None or not connection.http.may_go_on():
                connection.socket.close()
            else:
                connection.idle_since = time.monotonic()
                self._idle.append(connection)
                if answer.status == 200:
                    self.most_together = connection.http.most_together
        return answer

    def _take_idle(self) -> AsyncServiceConnection | None:
        while self._idle:
            connection = self._idle.pop()
            if time.monotonic() < connection.idle_since + IDLE_FOR and not is_cut(connection.socket):
                return connection
            connection.socket.close()
        return None

    async def _connect(self) -> AsyncServiceConnection:
        address, loop = self._address, asyncio.get_running_loop()
        if address.path:
            return await self._connect_to(socket.AF_UNIX, address.path)
        failed: OSError = OSError("no address")
        for family, _, _, _, where in await loop.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM):
            try:
                return await self._connect_to(family, where)
            except ssl.SSLError:
                raise
            except OSError as error:
                failed = error
        raise failed

    async def _connect_to(self, family: int, where: object) -> AsyncServiceConnection:
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.setblocking(False)
        try:
            if family != socket.AF_UNIX:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await asyncio.get_running_loop().sock_connect(sock, where)  # type: ignore[arg-type]  # of its family
            connection = AsyncServiceConnection(self._address, sock)
            if self._address.tls:
                await connection.begin_tls(self._tls, self._address.host)
        except BaseException:
            sock.close()
            raise
        return connection

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context()

    def close(self) -> None:
        """Close the idle ones."""
        with suppress(IndexError):
            while True:
                self._idle.pop().socket.close()


def _without_frames(error: OSError) -> OSError:
    """The same, but not how it came: the event loop's own frames hold the request, with token and key."""
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)
