"""Http1: HTTP/1.1 on one connection to the service, as bytes to send and bytes received. No I/O."""

from __future__ import annotations

from collections.abc import Iterable

from sojourn.core.errors import ConfigurationError, StoreUnavailable
from sojourn.core.extras import install
from sojourn.wire.http import AUTHORIZATION, BATCHES, BEARER, CONTENT_TYPE

from .address import Address
from .service_call import ServiceAnswer, ServiceCall

try:
    import h11
except ImportError:
    raise ConfigurationError(f"A remote manager needs the extra `remote`: {install('remote')}") from None

__all__ = ["Http1"]

_BATCHES = BATCHES.encode()


class Http1:
    """One request and its answer after the other.

    `status` is that of the answer, 0 before it is known, and `most_together` how many calls a batch may hold, as it
    says: 0 for none.
    """

    def __init__(self, address: Address) -> None:
        self._http = h11.Connection(h11.CLIENT)
        self._address = address
        self._headers = [
            ("host", address.authority),
            (AUTHORIZATION, f"{BEARER} {address.key}"),
        ]
        self.status = 0
        self.most_together = 0
        self._body: list[bytes] = []
        self.heard = False

    def request(self, call: ServiceCall) -> bytes:
        """The bytes of a request."""
        self.status, self.most_together, self._body, self.heard = 0, 0, [], False
        headers = [*self._headers, (CONTENT_TYPE, call.kind), ("content-length", str(len(call.body)))]
        head = self._http.send(
            h11.Request(method=call.method, target=self._address.prefix + call.path, headers=headers)
        )
        body = self._http.send(h11.Data(data=call.body)) if call.body else b""
        return (head or b"") + (body or b"") + (self._http.send(h11.EndOfMessage()) or b"")

    def receive(self, data: bytes) -> ServiceAnswer | None:
        """The answer, once `data` is the last of it. Empty data: the service hung up. Raises StoreUnavailable."""
        self.heard = self.heard or bool(data)
        try:
            self._http.receive_data(data)
            while True:
                event = self._http.next_event()
                if isinstance(event, h11.Response):
                    self.status = event.status_code
                    self._note(event.headers)
                elif isinstance(event, h11.Data):
                    self._body.append(bytes(event.data))
                elif isinstance(event, h11.EndOfMessage):
                    return ServiceAnswer(self.status, b"".join(self._body))
                elif event is h11.NEED_DATA:
                    return None
                else:  # it hung up instead
                    break
        except h11.RemoteProtocolError:
            pass
        raise StoreUnavailable(f"The session service at {self._address.name} broke off its answer.")

    def _note(self, headers: Iterable[tuple[bytes, bytes]]) -> None:
        for name, value in headers:
            if name == _BATCHES and value.isdigit():
                self.most_together = int(value)

    def take(self) -> bytes:
        """What has come of the body; the answer will be without it."""
        body, self._body = self._body, []
        return b"".join(body)

    def may_go_on(self) -> bool:
        """Whether another request may follow on the connection; it is made ready for it."""
        if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
            return False
        self._http.start_next_cycle()
        return True
