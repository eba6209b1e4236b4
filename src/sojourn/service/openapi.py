"""The back ends' endpoints in OpenAPI 3.1, as served at /v1/openapi.json."""

from __future__ import annotations

from typing import Any, get_args

from sojourn import __version__
from sojourn.core.codec import MAX_INTEGER
from sojourn.core.errors import EndReason
from sojourn.core.login import LEVELS, MAX_METHODS, METHOD_PATTERN
from sojourn.core.problem import problem_schema
from sojourn.core.record import Bound
from sojourn.wire.api_key import KeyScope
from sojourn.wire.batches import MAX_BATCH_BYTES, MAX_CALLS
from sojourn.wire.http import BATCH, COMMIT, CONFIG, DESCRIPTION, HEALTH, LINES, OPEN, READY, SESSION, USER
from sojourn.wire.requests import THUMBPRINT_PATTERN, URL_PATTERN

__all__ = ["openapi"]

_REASONS = get_args(EndReason)
_ID = {"type": "string", "pattern": "^[0-9a-f]{32}$"}
_TIME = {"type": "integer", "description": "Unix milliseconds"}
_MAYBE_TIME = {"type": ["integer", "null"], "description": "Unix milliseconds"}
_TEXT = {"type": "string"}
_MAYBE_TEXT = {"type": ["string", "null"]}
_FLAG = {"type": "boolean"}
_COUNT = {"type": "integer", "minimum": 0}
_TOKEN = {"type": "string", "pattern": "^sj1-[0-9a-f]{32}-[0-9a-f]{64}$"}
_STATUS = {"enum": ["none", "active", "ended"]}
_MAYBE_REASON = {"enum": [None, *_REASONS]}
_PROVED = _MAYBE_TEXT | {"description": "The key that the request proved. Send it with what follows in this request."}
_SAID_PROVED = _MAYBE_TEXT | {"pattern": THUMBPRINT_PATTERN, "description": "As this request's last answer said."}
_NONCE = _MAYBE_TEXT | {"description": "For the visitor, in the header DPoP-Nonce."}
_MAYBE_SESSION = {"oneOf": [{"type": "null"}, {"$ref": "#/components/schemas/Session"}]}


def _answer(**members: Any) -> dict[str, Any]:
    """An object of which every member is always there."""
    return {"type": "object", "properties": members, "required": list(members), "additionalProperties": False}


def _body(required: tuple[str, ...] = (), **members: Any) -> dict[str, Any]:
    """An object that may leave out what is not required, and holds nothing else."""
    return {"type": "object", "properties": members, "required": list(required), "additionalProperties": False}


def _action(name: str, required: tuple[str, ...] = (), **members: Any) -> dict[str, Any]:
    return _body(("type", *required), type={"const": name}, **members)


_FACTS = {
    "id": _ID,
    "user_id": _MAYBE_TEXT,
    "version": {"type": "integer", "minimum": 1, "description": "Goes up with each change of the data."},
    "created_at": _TIME,
    "authenticated_at": _MAYBE_TIME,
    "seen_at": _TIME,
    "expires_at": _TIME,
    "absolute_expires_at": _TIME,
    "idle_timeout": {"type": "integer", "description": "milliseconds"},
    "remember": _FLAG,
    "level": {"enum": [None, *LEVELS], "description": "How sure the log-in was, as the back end said."},
    "methods": {"type": "array", "items": _TEXT, "description": "By what, as the back end said: pwd, otp."},
    "bound": {
        "enum": [None, *get_args(Bound)],
        "description": "Where the key is that the token needs; null: the token alone opens the session.",
    },
}
_DEVICE = {"type": ["string", "null"], "examples": ["Chrome on Windows"]}
_FOUND = {**_FACTS, "end_reason": _MAYBE_REASON, "device": _DEVICE, "ip": _MAYBE_TEXT, "user_agent": _MAYBE_TEXT}
_SCHEMAS = {
    "Session": _answer(
        **_FACTS,
        data={"type": "object", "description": "All of it.", "additionalProperties": True},
        follows=_MAYBE_REASON | {"description": "Why the session before this anonymous one ended."},
    ),
    "Opened": _answer(
        status=_STATUS,
        end_reason=_MAYBE_REASON,
        ended_at=_MAYBE_TIME,
        session=_MAYBE_SESSION,
        commit_due={"type": "boolean", "description": "Commit at the end, even if the request changed nothing."},
        proved=_PROVED,
        nonce=_NONCE,
        now=_TIME,
    ),
    "Committed": _answer(
        status=_STATUS,
        end_reason=_MAYBE_REASON,
        session=_MAYBE_SESSION,
        token={"oneOf": [{"type": "null"}, _TOKEN], "description": "A new one, for the browser to keep."},
        max_age={"type": ["integer", "null"], "description": "Seconds to keep it; null: until the browser closes."},
        clear={"type": "boolean", "description": "The browser is to forget its token."},
        set_cookie={"type": ["string", "null"], "description": "The Set-Cookie header for it, whole."},
        merged={"type": "array", "items": _TEXT, "description": "Keys that another request had changed too."},
        proved=_PROVED,
        nonce=_NONCE,
        now=_TIME,
    ),
    "Client": {
        **_body(ip=_MAYBE_TEXT, user_agent=_MAYBE_TEXT),
        "type": ["object", "null"],
        "description": "What the browser is, kept with a session that begins.",
    },
    "Open": _body(
        ("token",),
        token=_TEXT,
        client={"$ref": "#/components/schemas/Client"},
        opened_at={"type": ["integer", "null"], "description": "`now` of this request's first open, to load it anew"},
        presented={"$ref": "#/components/schemas/PresentedKey"},
        proved=_SAID_PROVED,
    ),
    "PresentedKey": {
        **_body(
            ("method", "url"),
            method=_TEXT,
            url={"type": "string", "pattern": URL_PATTERN},
            proof=_MAYBE_TEXT,
            dpop=_FLAG,
        ),
        "type": ["object", "null"],
        "description": "What the visitor's request shows for its key: its method, its URL by the public origin, its "
        "DPoP header, and whether its token is in `Authorization: DPoP`.",
    },
    "Change": {
        **_body(base={}, value={}),
        "description": "Without `base` the key was not there when it was loaded; without `value` it is removed.",
    },
    "Action": {
        "oneOf": [
            {"type": "null"},
            _action("start"),
            _action(
                "login",
                ("user_id",),
                user_id={"type": "string", "minLength": 1, "maxLength": 255},
                remember=_FLAG,
                level={"enum": [None, *LEVELS]},
                methods={
                    "type": "array",
                    "maxItems": MAX_METHODS,
                    "items": {"type": "string", "pattern": METHOD_PATTERN},
                },
                keep={
                    "type": ["array", "null"],
                    "items": _TEXT,
                    "description": "Of the data these keys come along; null for all.",
                },
            ),
            _action("logout"),
            _action("regenerate"),
        ]
    },
    "Commit": _body(
        token={"type": ["string", "null"]},
        status={
            "enum": [None, "none", "active", "ended"],
            "description": "What the open answered, or the last commit of the request. Must be there with a token.",
        },
        client={"$ref": "#/components/schemas/Client"},
        passive={"type": "boolean", "description": "This request is no activity."},
        opened_at={"type": ["integer", "null"], "description": "`now` of the open"},
        changes={"type": "object", "additionalProperties": {"$ref": "#/components/schemas/Change"}},
        increments={
            "type": "object",
            "additionalProperties": {"type": "integer", "minimum": -MAX_INTEGER, "maximum": MAX_INTEGER},
        },
        used={
            "type": "array",
            "items": _TEXT,
            "description": "Keys of one-time grants, _grant:…, that this request used up, and `changes` removes.",
        },
        presented={"$ref": "#/components/schemas/PresentedKey"},
        proved=_SAID_PROVED,
        action={"$ref": "#/components/schemas/Action"},
    )
    | {
        "anyOf": [
            {"properties": {"token": {"type": "null"}}},
            {"properties": {"status": {"type": "string"}}, "required": ["token", "status"]},
        ]
    },
    "Configuration": _answer(
        cookie=_answer(
            name=_TEXT,
            path=_TEXT,
            domain=_MAYBE_TEXT,
            same_site={"enum": ["lax", "strict", "none"]},
            secure=_FLAG,
            partitioned=_FLAG,
        ),
        policy={"type": "object", "description": "The fields of Policy; durations in seconds."},
        version=_TEXT,
    ),
    "Sessions": _answer(sessions={"type": "array", "items": _answer(**_FOUND)}),
    "Found": _answer(session={"oneOf": [{"type": "null"}, _answer(**_FOUND)]}),
    "Ended": _answer(ended=_COUNT),
    "Problem": problem_schema(),
}

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


def _parameter(name: str, place: str, schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {"name": name, "in": place, "required": place == "path", "schema": schema, "description": description}


def _paths() -> dict[str, Any]:
    user = _parameter(
        "user_id", "path", {"type": "string", "minLength": 1, "maxLength": 255}, "As in login, percent-encoded."
    )
    keep = _parameter("keep", "query", _ID, "This one stays: that of the request at hand, say.")
    after = _parameter("after", "query", _ID, "The greatest id of the page before.")
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
            | {"parameters": [keep]},
        },
        SESSION: {
            "parameters": [_parameter("id", "path", _ID, "A session's public id, not its token.")],
            "get": _operation("sessions", "One session, live or ended, without its data", "Found", None, 404, 503),
            "delete": _operation("admin", "End one session", "Ended", None, 404, 503),
        },
        DESCRIPTION: {"get": _operation(None, "This description", None, None)},
        HEALTH: {"get": _operation(None, "The process is alive", None, None)},
        READY: {"get": _operation(None, "The store answers", None, None, 503)},
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
            "schemas": _SCHEMAS,
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "description": "An API key: `sojourn keys make`."}
            },
        },
    }
