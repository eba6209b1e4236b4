"""What the back ends' endpoints take and answer, as JSON Schema."""

from __future__ import annotations

from typing import Any, get_args

from sojourn.core.codec import MAX_INTEGER
from sojourn.core.errors import EndReason
from sojourn.core.login import LEVELS, MAX_METHODS, METHOD_PATTERN
from sojourn.core.problem import problem_schema
from sojourn.core.record import Bound
from sojourn.wire.requests import PATH_PATTERN, THUMBPRINT_PATTERN, URL_PATTERN

__all__ = ["ID", "SCHEMAS"]

_REASONS = get_args(EndReason)
ID = {"type": "string", "pattern": "^[0-9a-f]{32}$"}
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


def _answer(*rare: str, **members: Any) -> dict[str, Any]:
    """An object of which every member is always there, but those that are `rare`."""
    return _body(tuple(name for name in members if name not in rare), **members)


def _body(required: tuple[str, ...] = (), **members: Any) -> dict[str, Any]:
    """An object that may leave out what is not required, and holds nothing else."""
    return {"type": "object", "properties": members, "required": list(required), "additionalProperties": False}


def _action(name: str, required: tuple[str, ...] = (), **members: Any) -> dict[str, Any]:
    return _body(("type", *required), type={"const": name}, **members)


_FACTS = {
    "id": ID,
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
SCHEMAS = {
    "Session": _answer(
        **_FACTS,
        data={"type": "object", "description": "All of it.", "additionalProperties": True},
        follows=_MAYBE_REASON | {"description": "Why the session before this anonymous one ended."},
    ),
    "Opened": _answer(
        "owed",
        status=_STATUS,
        end_reason=_MAYBE_REASON,
        ended_at=_MAYBE_TIME,
        session=_MAYBE_SESSION,
        commit_due={"type": "boolean", "description": "Commit at the end, even if the request changed nothing."},
        proved=_PROVED,
        nonce=_NONCE,
        now=_TIME,
        owed=_TEXT | {"description": "The nonce for a proof that a cookie's session has owed for long; seldom there."},
    ),
    "Committed": _answer(
        "device",
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
        device={"$ref": "#/components/schemas/ToldDevice"},
    ),
    "ToldDevice": {
        **_answer(
            set_cookie=_TEXT | {"description": "A Set-Cookie header of its own: the bound cookie, or its end."},
            registration=_MAYBE_TEXT | {"description": "For the header Secure-Session-Registration."},
        ),
        "description": "What the browser is told for a key of its own, with the session's cookie; not there otherwise.",
    },
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
        device={"$ref": "#/components/schemas/ShownDevice"},
    ),
    "ShownDevice": {
        **_body(cookies=_TEXT, skipped=_MAYBE_TEXT, signed={"$ref": "#/components/schemas/SignedRequest"}),
        "type": ["object", "null"],
        "description": "What a request with its token in a cookie shows for its browser's key, if anything: of its "
        "Cookie header the bound cookies, and its header Secure-Session-Skipped. Beside `proved` it may be empty.",
    },
    "SignedRequest": {
        **_body(
            ("method", "path", "proof"),
            method=_TEXT,
            path={"type": "string", "pattern": PATH_PATTERN},
            proof=_TEXT,
        ),
        "type": ["object", "null"],
        "description": "The request, where it has a DPoP header: that is `proof`. The path is the whole one.",
    },
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
        device={"$ref": "#/components/schemas/ShownDevice"},
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
    "SeenEnd": _answer(
        ended=_FLAG | {"description": "Whether the session is over."},
        end_reason=_MAYBE_REASON,
        expires_at=_MAYBE_TIME | {"description": "When it is over if nothing more happens; null where it is."},
        now=_TIME,
    ),
    "Problem": problem_schema(),
}
