"""AdminRequest and AdminAnswer: what a page of /admin is asked, and what it says."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from urllib.parse import parse_qs

from sojourn.asgi.types import Receive
from sojourn.core.session import Session

from .markup import Markup
from .operators import Operator

__all__ = ["MAX_FORM", "AdminAnswer", "AdminRequest", "parse_form", "read_body", "redirect"]

MAX_FORM = 16 * 1024
FORM = "application/x-www-form-urlencoded"

_control = re.compile("[\x00-\x1f\x7f]").sub


class AdminRequest(NamedTuple):
    """A request to a page. `path` is what follows /admin, `fields` those of the query or, of a POST, of the form."""

    method: str
    path: str
    address: str
    fields: Mapping[str, Sequence[str]]
    session: Session
    operator: Operator | None
    now: int

    def field(self, name: str) -> str:
        """A field's value, without what would steer a terminal or end a text in C; "" where there is none."""
        return _control("", self.fields.get(name, [""])[-1]).strip()

    @property
    def by(self) -> Operator:
        """Who asks, where only operators get to."""
        assert self.operator is not None
        return self.operator


class AdminAnswer(NamedTuple):
    """What a page says."""

    body: Markup | bytes
    status: int = 200
    content_type: str = "text/html; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = ()


def redirect(place: str) -> AdminAnswer:
    """To another page, by GET."""
    return AdminAnswer(b"", 303, headers=(("location", place),))


def parse_form(text: bytes) -> dict[str, list[str]]:
    """The fields of a query or a form. Raises ValueError beyond thirty of them."""
    return parse_qs(text.decode("utf-8", "replace"), keep_blank_values=True, errors="replace", max_num_fields=30)


async def read_body(receive: Receive) -> bytes | None:
    """The body of a request; None beyond MAX_FORM bytes, and of one that was given up."""
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > MAX_FORM:
            return None
    return body
