"""The files that the endpoints serve: the built client and the OpenAPI description, with ETags (RFC 9110)."""

from __future__ import annotations

import hashlib
from importlib.resources import files
from typing import NamedTuple

import msgspec

from sojourn.core.problem import NOSNIFF

from .openapi import openapi

__all__ = ["ASSETS", "Asset"]


class Asset(NamedTuple):
    """A body that is the same for everybody, and the tag by which a browser asks whether it still is."""

    content_type: str
    body: bytes
    etag: str

    def headers(self) -> list[tuple[str, str]]:
        """The headers of a 200 or, but for the type, of a 304."""
        return [("content-type", self.content_type), ("etag", self.etag), ("cache-control", "max-age=3600"), NOSNIFF]


def _asset(content_type: str, body: bytes) -> Asset:
    return Asset(content_type, body, f'"{hashlib.sha256(body).hexdigest()[:16]}"')


_STATIC = files("sojourn.browser").joinpath("static")

ASSETS = {
    f"/{name}": _asset("text/javascript; charset=utf-8", _STATIC.joinpath(name).read_bytes())
    for name in ("client.js", "step-up.js", "bound.js", "live.js")
} | {
    "/openapi.json": _asset("application/json", msgspec.json.encode(openapi())),
}
