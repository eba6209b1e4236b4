"""Inspector: what the store holds of the visitor's own session, and what travelled. Never anybody else's."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from msgspec.structs import asdict
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sojourn.asgi import session_of
from sojourn.core.codec import decode
from sojourn.core.record import Record
from sojourn.core.store import AsyncStore
from sojourn.core.token import ID_PATTERN

from .json_bodies import answer
from .traffic import Traffic

__all__ = ["routes"]

_is_id = re.compile(ID_PATTERN).fullmatch
SHOWN_OF_A_HASH = 8


def routes(store: AsyncStore, traffic: Traffic) -> list[Route]:
    """The one route."""

    async def inspect(request: Request) -> Response:
        """The record and the traffic of the session that asks, or the bare end of the one that it was."""
        session = session_of(request)
        # Looking is not doing: the panel must not keep the session alive.
        session.passive = True
        if session.id is None:
            ended = request.query_params.get("ended", "")
            record = await store.get(ended) if _is_id(ended) else None
            return answer(record=end_of(record), exchanges=[])
        record = await store.get(session.id)
        return answer(
            record=record and shown(record), exchanges=[asdict(exchange) for exchange in traffic.of(session.id)]
        )

    return [Route("/demo/inspector", inspect)]


def end_of(record: Record | None) -> dict[str, Any] | None:
    """An ended session, for whoever knows its id: its data is gone, and nothing else is shown."""
    if record is None or record.ended_at is None:
        return None
    seen = ("id", "version", "ended_at", "end_reason", "data")
    return {name: value for name, value in shown(record).items() if name in seen}


def shown(record: Record) -> dict[str, Any]:
    """The record as the store gives it; of its secrets' hashes only the beginning."""
    data = {key: decode(value) for key, value in record.data.items()}
    fields = msgspec.to_builtins({**asdict(record), "data": data})
    fields["secrets"] = _shortened(fields["secrets"])
    return dict(fields)


def _shortened(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _shortened(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_shortened(inner) for inner in value]
    return f"sha256 {value[:SHOWN_OF_A_HASH]}…" if isinstance(value, str) else value
