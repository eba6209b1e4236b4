"""The back ends' endpoints in OpenAPI 3.1, as served at /v1/openapi.json."""

from __future__ import annotations

from typing import Any

from sojourn import __version__
from sojourn.core.actor import ADDRESS_PATTERN, BY_PATTERN
from sojourn.wire.api_key import KeyScope
from sojourn.wire.batches import MAX_BATCH_BYTES, MAX_CALLS
from sojourn.wire.http import (
    BATCH,
    COMMIT,
    CONFIG,
    DESCRIPTION,
    END,
    HEALTH,
    LINES,
    METRICS,
    OPEN,
    READY,
    SESSION,
    USER,
    VERIFY,
    VERIFY_PASSIVELY,
)

from .edge import NO_LEVEL, PLAIN
from .schemas import ID, SCHEMAS

__all__ = ["openapi"]

_MEANINGS = {
    400: "invalid-body: no JSON, or not of this form.",
    401: "api-key-required or api-key-refused; at a commit also session-ended, with `end_reason`: it came too late.",
    403: "api-key-scope: the key is for something else.",
    404: "not-found: no such endpoint.",
    405: "method-not-allowed.",
    409: "session-conflict, with `keys`, or session-limit, with `limit`: where the policy says so.",
    413: "body-too-large, batch-too-large, with `limit`; or data-too-large, with `size` and `limit`: the session's.",
    415: "unsupported-media-type: the body is of another type.",
    422: "invalid-data: a value that no session can hold, or a log-in to be remembered where the policy has none.",
    503: "store-unavailable. A change that was sent may be written, or not; try again after Retry-After.",
}
_PROXY = {
    "type": "apiKey",
    "in": "header",
    "name": "Sojourn-Key",
    "description": "An API key of the scope verify: `sojourn keys make --scope verify`.",
}
_SAID_OF_THE_VISITOR = {
    "Sojourn-User": "The user's id, as in login: percent-encoded, but for letters, digits and " + " ".join(PLAIN),
    "Sojourn-Session": "The session's public id",
    "Sojourn-Level": f"How sure the log-in was, as the back end said; {NO_LEVEL}: it did not say",
    "Sojourn-Authenticated": "When the user last proved who they are, in Unix milliseconds",
}
_REFUSED_AT_THE_EDGE = {
    400: "bearer-not-enabled, ambiguous-token: the visitor shows a token where none may be.",
    401: "login-required: nobody is logged in, with `end_reason`, if it is known. Or proof-…: the key is not proved.",
    403: "cross-origin: a page of another site asks. Or proof-…: the browser is to sign anew.",
    405: "method-not-allowed.",
    500: "proxy-not-set-up: what the proxy must send is missing.",
    503: "store-unavailable: nobody knows. Try again after Retry-After.",
}


def _operation(
    scope: KeyScope | None, summary: str, answer: str | None, body: str | None, *problems: int
) -> dict[str, Any]:
    schema = {"$ref": f"#/components/schemas/{answer}"} if answer else {"type": "object"}
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    statuses = sorted([*problems, 405, *((401, 403) if scope else ())])
    operation: dict[str, Any] = {
        "summary": summary,
        "security": [{"key": [scope]}] if scope else [],
        "responses": {
            "200": {"description": "Done.", "content": {"application/json": {"schema": schema}}},
            **{str(status): {"description": _MEANINGS[status], "content": problem} for status in statuses},
        },
    }
    if body is not None:
        content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{body}"}}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _batch() -> dict[str, Any]:
    """Of lines OpenAPI 3.1 knows no more than that they are text."""
    operation = _operation("sessions", "Opens and commits that go together", None, None, 400, 413, 415)
    asked = f'A line for each call, {MAX_CALLS} and {MAX_BATCH_BYTES} bytes at most: {{"open": …}} or {{"commit": …}}.'
    told = 'A line for each call, as it is ready: {"call": its place from 0, "status": …, "answer": …}.'
    text = {"type": "string", "examples": ['{"open": {"token": "sj1-…"}}\n']}
    operation["requestBody"] = {"required": True, "description": asked, "content": {LINES: {"schema": text}}}
    operation["responses"]["200"] = {"description": told, "content": {LINES: {"schema": {"type": "string"}}}}
    return operation


def _end() -> dict[str, Any]:
    wait = {"type": "integer", "minimum": 1, "maximum": 60, "default": 20}
    summary = "Whether a session is over: told at its end, or later"
    return {
        "parameters": [_parameter("id", "path", ID, "A session's public id, not its token.")],
        "get": _operation("sessions", summary, "SeenEnd", None, 400, 404, 503)
        | {"parameters": [_parameter("wait", "query", wait, "Seconds, while it lives.")]},
    }


def _metrics() -> dict[str, Any]:
    operation = _operation("metrics", "Counts for Prometheus; 404 where the settings have none", None, None, 404)
    operation["responses"]["200"]["content"] = {
        kind: {"schema": {"type": "string"}} for kind in ("text/plain", "application/openmetrics-text")
    }
    return operation


def _verify(summary: str) -> dict[str, Any]:
    """What lies below these paths is for Envoy alone, and the same but for the status 200."""
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    headers = {name: {"description": what, "schema": {"type": "string"}} for name, what in _SAID_OF_THE_VISITOR.items()}
    told = "Cookie, Authorization and DPoP are the visitor's. X-Forwarded-Method, -Uri and -Host tell of his request."
    return {
        "summary": summary,
        "description": told,
        "security": [{"proxy": ["verify"]}],
        "responses": {
            "204": {"description": "Somebody is logged in.", "headers": headers},
            **{str(status): {"description": what, "content": problem} for status, what in _REFUSED_AT_THE_EDGE.items()},
        },
    }


def _parameter(name: str, place: str, schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {"name": name, "in": place, "required": place == "path", "schema": schema, "description": description}


def _paths() -> dict[str, Any]:
    user = _parameter(
        "user_id", "path", {"type": "string", "minLength": 1, "maxLength": 255}, "As in login, percent-encoded."
    )
    keep = _parameter("keep", "query", ID, "This one stays: that of the request at hand, say.")
    asks = [
        _parameter("by", "query", {"type": "string", "pattern": BY_PATTERN}, "Who asks; without it, the API key."),
        _parameter("address", "query", {"type": "string", "pattern": ADDRESS_PATTERN}, "Where they came from."),
    ]
    after = _parameter("after", "query", ID, "The greatest id of the page before.")
    limit = _parameter("limit", "query", {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100}, "A page.")
    writes = (400, 409, 413, 415, 422, 503)
    return {
        OPEN: {"post": _operation("sessions", "What a token opens", "Opened", "Open", 400, 413, 415, 503)},
        COMMIT: {"post": _operation("sessions", "Write what a request did", "Committed", "Commit", *writes)},
        BATCH: {"post": _batch()},
        CONFIG: {"get": _operation("sessions", "The cookie and the policy", "Configuration", None)},
        USER: {
            "parameters": [user],
            "get": _operation(
                "admin", "A page of a user's live sessions, the latest seen first", "Sessions", None, 400, 404, 503
            )
            | {"parameters": [after, limit]},
            "delete": _operation("admin", "End all of a user's sessions at once", "Ended", None, 400, 404, 503)
            | {"parameters": [keep, *asks]},
        },
        SESSION: {
            "parameters": [_parameter("id", "path", ID, "A session's public id, not its token.")],
            "get": _operation("sessions", "One session, live or ended, without its data", "Found", None, 404, 503),
            "delete": _operation("admin", "End one session", "Ended", None, 400, 404, 503) | {"parameters": asks},
        },
        END: _end(),
        VERIFY: {"get": _verify("Whose a visitor's request is, for the proxy in front")},
        VERIFY_PASSIVELY: {"get": _verify("The same of one that is no activity, a poll say")},
        DESCRIPTION: {"get": _operation(None, "This description", None, None)},
        HEALTH: {"get": _operation(None, "The process is alive", None, None)},
        READY: {"get": _operation(None, "The store answers", None, None, 503)},
        METRICS: {"get": _metrics()},
    }


def openapi() -> dict[str, Any]:
    """The description."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Sojourn session service",
            "version": __version__,
            "description": "For back ends. A request is one open and, where something is to be written, one commit.",
        },
        "paths": _paths(),
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "description": "An API key: `sojourn keys make`."},
                "proxy": _PROXY,
            },
        },
    }
