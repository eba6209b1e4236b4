"""BackEndRequest: what an endpoint of the service is given, and how its body is read."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

import msgspec

from sojourn.asgi.types import Receive, Scope
from sojourn.core.problem import Problem
from sojourn.wire.http import AUTHORIZATION, CONTENT_TYPE, JSON
from sojourn.wire.problems import NOT_JSON, body_too_large, invalid_body

from .log import hide_secrets
from .refusal import RequestRefused

__all__ = ["BackEndRequest", "HungUp", "decoded", "key_and_kind"]

T = TypeVar("T")

_AUTHORIZATION, _CONTENT_TYPE, _JSON = AUTHORIZATION.encode(), CONTENT_TYPE.encode(), JSON.encode()


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

    async def read_bytes(self, limit: int, kind: bytes = _JSON, other: Problem = NOT_JSON) -> bytes:
        """The body as it came. Raises RequestRefused beyond `limit` bytes, and with `other` for another media type."""
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


def key_and_kind(headers: Iterable[tuple[bytes, bytes]]) -> tuple[bytes, bytes]:
    """What a request's headers say of its API key, and of its body's media type; empty where they say nothing."""
    authorization = content_type = b""
    for name, value in headers:
        if name == _AUTHORIZATION:
            authorization = value
        elif name == _CONTENT_TYPE:
            content_type = value
    return authorization, content_type


def decoded(decode: Callable[[bytes], T], body: bytes) -> T:
    """The body, as `decode` takes it. Raises RequestRefused for what it does not take."""
    try:
        return decode(body)
    except RecursionError:
        raise RequestRefused(invalid_body("it is nested too deep")) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RequestRefused(invalid_body(hide_secrets(str(error)))) from None
