"""BackEndRequest: what an endpoint of the service is given, and how its body is read."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import msgspec

from sojourn.asgi.types import Receive, Scope
from sojourn.core.problem import Problem
from sojourn.wire.http import JSON
from sojourn.wire.problems import NOT_JSON, body_too_large, invalid_body

from .log import hide_secrets
from .refusal import RequestRefused

__all__ = ["BackEndRequest", "HungUp", "decoded"]

T = TypeVar("T")

_JSON = JSON.encode()


class HungUp(Exception):
    """The back end hung up before its request was whole."""


class BackEndRequest:
    """An HTTP request whose API key was judged already. `path` holds what the endpoint's pattern found, undecoded."""

    __slots__ = ("_content_type", "_receive", "path", "query")

    def __init__(self, scope: Scope, receive: Receive, content_type: bytes, path: str = "") -> None:
        self._receive = receive
        self._content_type = content_type
        self.path = path
        self.query: bytes = scope["query_string"]

    async def hung_up(self) -> None:
        """Wait until the back end hangs up."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def read(self, decode: Callable[[bytes], T], limit: int) -> T:
        """The body, as `decode` takes it. Raises RequestRefused for what it does not take, and beyond `limit` bytes."""
        return decoded(decode, await self.read_bytes(limit))

    async def read_bytes(self, limit: int, kind: bytes = _JSON, other: Problem = NOT_JSON) -> bytes:
        """The body as it came, if it is of this media type; else it is refused with `other`."""
        given = self._content_type
        if given != kind and given.partition(b";")[0].strip().lower() != kind:
            raise RequestRefused(other)
        message = await self._receive()
        body: bytes = message.get("body", b"")
        while message.get("more_body", False) and len(body) <= limit:
            message = await self._receive()
            body += message.get("body", b"")
        if message["type"] == "http.disconnect":
            raise HungUp
        if len(body) > limit:
            raise RequestRefused(body_too_large(limit))
        return body


def decoded(decode: Callable[[bytes], T], body: bytes) -> T:
    """The body, as `decode` takes it. Raises RequestRefused for what it does not take."""
    try:
        return decode(body)
    except RecursionError:
        raise RequestRefused(invalid_body("it is nested too deep")) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RequestRefused(invalid_body(hide_secrets(str(error)))) from None
