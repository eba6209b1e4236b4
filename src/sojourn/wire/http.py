"""How the wire goes over HTTP: its paths, and what its headers say."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote, urlencode

__all__ = [
    "AUTHORIZATION",
    "BATCH",
    "BATCHES",
    "BEARER",
    "COMMIT",
    "CONFIG",
    "CONTENT_TYPE",
    "DESCRIPTION",
    "END",
    "HEALTH",
    "JSON",
    "LINES",
    "METRICS",
    "OPEN",
    "READY",
    "SESSION",
    "USER",
    "VERIFY",
    "VERIFY_PASSIVELY",
    "session_path",
    "user_path",
]

OPEN: Final = "/v1/open"
COMMIT: Final = "/v1/commit"
BATCH: Final = "/v1/batch"
CONFIG: Final = "/v1/config"
SESSION: Final = "/v1/sessions/{id}"
END: Final = "/v1/sessions/{id}/end"
USER: Final = "/v1/users/{user_id}/sessions"
VERIFY: Final = "/v1/verify"
VERIFY_PASSIVELY: Final = "/v1/verify-passive"
DESCRIPTION: Final = "/v1/openapi.json"
HEALTH: Final = "/health"
READY: Final = "/ready"
METRICS: Final = "/metrics"

AUTHORIZATION: Final = "authorization"
BEARER: Final = "Bearer"
CONTENT_TYPE: Final = "content-type"
JSON: Final = "application/json"
LINES: Final = "application/x-ndjson"
"""JSON values, each in a line of its own."""
BATCHES: Final = "sojourn-batches"
"""The header by which the service tells that it takes batches: how many calls one may hold."""


def session_path(id: str, **query: str | int | None) -> str:
    """Where one session is found and ended; with whom to name for its end."""
    return _with_query(SESSION.format(id=id), query)


def user_path(user_id: str, **query: str | int | None) -> str:
    """Where a user's sessions are listed, from the first id past `after`, and ended, but the one with the id `keep`."""
    return _with_query(USER.format(user_id=quote(user_id, safe="")), query)


def _with_query(path: str, query: dict[str, str | int | None]) -> str:
    given = urlencode({name: value for name, value in query.items() if value})
    return f"{path}?{given}" if given else path
