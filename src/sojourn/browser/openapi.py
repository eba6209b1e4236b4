"""The endpoints' OpenAPI 3.1 description. Paths are relative to where they are mounted."""

from __future__ import annotations

from typing import Any, get_args

from sojourn.core.errors import EndReason
from sojourn.core.problem import problem_schema
from sojourn.core.record import Bound

__all__ = ["openapi"]

_NULLABLE_TIME = {"type": ["integer", "null"], "description": "Unix milliseconds"}
_TIME = {"type": "integer", "description": "Unix milliseconds"}
_REASONS = get_args(EndReason)
_BOUND = {
    "enum": [None, *get_args(Bound)],
    "description": "Where the key is that the token needs; null: the token alone opens the session.",
}
_KEYS = {"type": "object", "description": "Values by key. Only keys declared writable.", "additionalProperties": True}
_ID = {"type": "string", "pattern": "^[0-9a-f]{32}$"}

_STATE = {
    "type": "object",
    "properties": {
        "status": {"enum": ["none", "active", "ended"]},
        "id": {"type": ["string", "null"], "pattern": "^[0-9a-f]{32}$"},
        "user_id": {"type": ["string", "null"]},
        "created_at": _NULLABLE_TIME,
        "authenticated_at": _NULLABLE_TIME,
        "seen_at": _NULLABLE_TIME,
        "expires_at": _NULLABLE_TIME,
        "absolute_expires_at": _NULLABLE_TIME,
        "idle_timeout": {"type": ["integer", "null"], "description": "milliseconds"},
        "version": {"type": ["integer", "null"]},
        "bound": _BOUND,
        "data": {"type": "object", "description": "The keys declared readable.", "additionalProperties": True},
        "end_reason": {"enum": [None, *_REASONS]},
        "ended_at": _NULLABLE_TIME,
        "follows": {"enum": [None, *_REASONS], "description": "Why the session before this anonymous one ended."},
        "now": {"type": "integer", "description": "The server's clock, Unix milliseconds"},
    },
    "additionalProperties": False,
}
_STATE["required"] = list(_STATE["properties"])  # type: ignore[call-overload]  # a dict of the literal above

_LISTED = {
    "type": "object",
    "properties": {
        "id": _ID,
        "current": {"type": "boolean"},
        "device": {"type": ["string", "null"], "examples": ["Chrome on Windows"]},
        "ip": {"type": ["string", "null"]},
        "bound": _BOUND,
        "created_at": _TIME,
        "authenticated_at": _NULLABLE_TIME,
        "seen_at": _TIME,
        "expires_at": _TIME,
    },
    "additionalProperties": False,
}
_LISTED["required"] = list(_LISTED["properties"])  # type: ignore[call-overload]  # as above

_ENDED = {
    "type": "object",
    "properties": {"ended": {"type": "integer", "minimum": 0}},
    "required": ["ended"],
    "additionalProperties": False,
}
_LIST = {
    "type": "object",
    "properties": {"sessions": {"type": "array", "items": {"$ref": "#/components/schemas/ListedSession"}}},
    "required": ["sessions"],
    "additionalProperties": False,
}
_CHANGES = {
    "type": "object",
    "properties": {"set": _KEYS, "remove": {"type": "array", "items": {"type": "string"}}},
}
_START = {"type": "object", "properties": {"data": _KEYS}}

_INSTRUCTION = {
    "type": "object",
    "properties": {
        "session_identifier": {"type": "string"},
        "continue": {"const": False},
        "refresh_url": {"type": "string"},
        "scope": {"type": "object"},
        "credentials": {"type": "array"},
    },
    "required": ["session_identifier"],
    "additionalProperties": False,
}

_MEANINGS = {
    400: "The body is no JSON object of the form asked for, or the token came twice or in the wrong place.",
    401: "There is no live session, or nobody is logged in. `end_reason` says why, if a session ended.",
    403: "From another origin, or `keys` that the browser may not write; for DBSC: sign Secure-Session-Challenge.",
    404: "Nothing of yours has this id.",
    405: "Not this method.",
    409: "Another request changed the same `keys`, where the policy forbids to choose.",
    413: "The body or the session's data is too large: over `limit`.",
    415: "The body is not application/json.",
    422: "A value cannot be kept: nested too deep, or a number that JavaScript cannot hold.",
    501: "This server answers with threads, or asks a session service: ask for the state instead.",
    503: "The store did not answer. Nothing was changed.",
}


def _problems(*statuses: int) -> dict[str, Any]:
    schema = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {str(status): {"description": _MEANINGS[status], "content": schema} for status in statuses}


_UNPROVED = _problems(401, 403, 405, 413, 415, 503)


def _json(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"200": {"description": description, "content": {"application/json": {"schema": schema}}}}


def _operation(summary: str, answers: dict[str, Any], body: dict[str, Any] | None = None) -> dict[str, Any]:
    operation: dict[str, Any] = {"summary": summary, "responses": answers}
    if body is not None:
        operation["requestBody"] = {"required": False, "content": {"application/json": {"schema": body}}}
    return operation


def _keyed(summary: str) -> dict[str, Any]:
    return _operation(summary, _json("What it is to renew, or that its session is over.", _INSTRUCTION) | _UNPROVED)


_KEYED = {
    "/dbsc/register": {"post": _keyed("The browser registers a key of its own (DBSC); no script calls this")},
    "/dbsc/refresh": {"post": _keyed("The browser proves its key, for a new bound cookie")},
}

_STREAM = {
    "200": {
        "description": "Server-Sent Events: `state`, with a State, and `expiring`.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}
_STREAMED = {
    "/live.js": {
        "get": _operation(
            "What has the browser client listen to `/events`",
            {"200": {"description": "An ES module.", "content": {"text/javascript": {}}}},
        )
    },
    "/events": {
        "get": _operation(
            "The state, and again at each change, until the session is over", _STREAM | _problems(400, 405, 501, 503)
        )
    },
}


def openapi() -> dict[str, Any]:
    """The description, as served at `openapi.json`."""
    state = _json("The session's state.", {"$ref": "#/components/schemas/State"})
    listing = _json("My live sessions, the latest seen first.", _LIST)
    ended = _json("How many were ended.", _ENDED)
    write = (400, 403, 405, 409, 413, 415, 422, 503)
    read = (400, 405, 503)
    one = _operation("End one of my sessions", ended | _problems(401, 404, *write))
    one["parameters"] = [{"name": "id", "in": "path", "required": True, "schema": _ID}]
    text = {"200": {"description": "The client, an ES module.", "content": {"text/javascript": {}}}}
    description = {"200": {"description": "This description.", "content": {"application/json": {}}}}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Sojourn browser endpoints",
            "version": "1",
            "description": "What sojourn-client calls. The token travels in an HttpOnly cookie, or, where the server "
            "allows it, in `Authorization: Bearer` with `Sojourn-Transport: bearer`, and back in `Sojourn-Token`.",
        },
        "paths": {
            "/": {
                "get": _operation("The state; slides no timeout, makes no session", state | _problems(*read)),
                "patch": _operation("Change data", state | _problems(401, *write), _CHANGES),
            },
            "/start": {
                "post": _operation("Start a session, or go on with a live one", state | _problems(401, *write), _START)
            },
            "/touch": {"post": _operation("Stay signed in", state | _problems(401, *write))},
            "/logout": {"post": _operation("Log out; without a session, nothing", state | _problems(*write))},
            **(_KEYED | _STREAMED),
            "/sessions": {
                "get": _operation("Where am I signed in", listing | _problems(401, *read)),
                "delete": _operation("End all my other sessions", ended | _problems(401, *write)),
            },
            "/sessions/{id}": {"delete": one},
            "/client.js": {"get": _operation("The browser client", text)},
            "/step-up.js": {"get": _operation("The browser client that asks its user again", text)},
            "/bound.js": {"get": _operation("The browser client's transport that proves a key", text)},
            "/openapi.json": {"get": _operation("This description", description)},
        },
        "components": {"schemas": {"State": _STATE, "ListedSession": _LISTED, "Problem": problem_schema()}},
    }
