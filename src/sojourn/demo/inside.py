"""Inside: what the store holds of the visitor's own session, and what travelled. Never anybody else's."""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from msgspec.structs import asdict
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sojourn.asgi import session_of
from sojourn.manager import AsyncSessionManager
from sojourn.token import ID_PATTERN

from .requests import done
from .traffic import Traffic

__all__ = ["routes"]

_is_id = re.compile(ID_PATTERN).fullmatch
SHOWN_OF_A_HASH = 8


def routes(database: Path, traffic: Traffic, manager: AsyncSessionManager) -> list[Route]:
    """The one route."""

    async def inside(request: Request) -> Response:
        """The row and the traffic of the session that asks, or the bare end of the one that it was."""
        session = session_of(request)
        # Looking is not doing: the panel must not keep the session alive.
        session.passive = True
        if session.id is None:
            return done(row=await _end(request.query_params.get("ended", "")), exchanges=[])
        row = await asyncio.to_thread(kept, database, session.id)
        return done(row=row, exchanges=[asdict(exchange) for exchange in traffic.of(session.id)])

    async def _end(id: str) -> dict[str, Any] | None:
        # Who knows the id of an ended session may see that it ended: its data is gone, and nothing else is shown.
        row = await asyncio.to_thread(kept, database, id) if _is_id(id) else None
        ended = await manager.get(id) if row and row["ended_at"] is not None else None
        if row is None or ended is None:
            return None
        record = {"end_reason": ended.end_reason, "version": ended.version}
        return {"id": id, "ended_at": row["ended_at"], "record": record, "data": ended.data}

    return [Route("/demo/inside", inside)]


def kept(database: Path, id: str) -> dict[str, Any] | None:
    """The row of one session, column by column as kept; of its secrets' hashes only the beginning."""
    with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True, timeout=5)) as connection:
        connection.row_factory = sqlite3.Row
        row = connection.execute("SELECT * FROM session WHERE id = ?", (id,)).fetchone()
    if row is None:
        return None
    columns = dict(row)
    columns["data"] = json.loads(columns["data"])
    columns["record"] = json.loads(columns["record"])
    columns["record"].pop("data", None)  # a column of its own
    columns["record"]["secrets"] = _shortened(columns["record"]["secrets"])
    return columns


def _shortened(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _shortened(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_shortened(inner) for inner in value]
    return f"sha256 {value[:SHOWN_OF_A_HASH]}…" if isinstance(value, str) else value
