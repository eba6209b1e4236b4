"""The endpoints: plan() reads a request and notes in the session what it wants, answer() answers. No I/O.

What is to be carried out between them beside the commit, perform() does: devices.py.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import msgspec

from sojourn.core.codec import encode
from sojourn.core.errors import InvalidData, LoginRequired, ReauthenticationRequired, SessionEnded
from sojourn.core.info import SessionInfo
from sojourn.core.problem import NOSNIFF, Problem, invalid_data, problem_of, problem_to_send
from sojourn.core.session import Session
from sojourn.core.token import ID_PATTERN

from .assets import ASSETS
from .event_stream import HEADERS
from .options import REAUTHENTICATE_WITHIN, BrowserOptions
from .state import listed, state_of

__all__ = [
    "REAUTHENTICATE_WITHIN",
    "Answer",
    "Ask",
    "BrowserOptions",
    "Request",
    "answer",
    "plan",
    "problem_answer",
    "to_send",
]

MAX_BODY = 64 * 1024
# What a browser is told that asks for a session that is not there any more (DBSC).
GIVE_UP = b'{"session_identifier":"","continue":false}'

_SESSION_PATH = re.compile(f"/sessions/({ID_PATTERN})").fullmatch
_METHODS = {
    "": ("GET", "PATCH"),
    "/start": ("POST",),
    "/touch": ("POST",),
    "/logout": ("POST",),
    "/dbsc/register": ("POST",),
    "/dbsc/refresh": ("POST",),
    "/sessions": ("GET", "DELETE"),
    "/events": ("GET",),
    "/client.js": ("GET",),
    "/step-up.js": ("GET",),
    "/bound.js": ("GET",),
    "/live.js": ("GET",),
    "/openapi.json": ("GET",),
}


class Request(NamedTuple):
    """An HTTP request as far as the endpoints look: `path` is what follows their URL, "" or "/…".

    A `body` of more than 64 KiB is refused: an integration need read no more than a byte beyond. Headers that were not
    sent are "". `streams`: whether the integration answers GET /events with a stream; else that is refused.
    """

    method: str
    path: str
    content_type: str
    body: bytes
    if_none_match: str = ""
    last_event_id: str = ""
    streams: bool = False


class Answer(NamedTuple):
    """An HTTP answer, ready for `to_send`. The names of `headers` are in small letters."""

    status: int
    body: bytes
    headers: Sequence[tuple[str, str]]


class Ask(NamedTuple):
    """What must be carried out, by the session's manager, before there is an answer."""

    action: Literal["nothing", "commit", "list", "revoke", "revoke_others", "key", "events"]
    user_id: str = ""
    id: str = ""


def plan(request: Request, session: Session, options: BrowserOptions) -> Ask | Answer:
    """What a request asks for: it is noted in the session, or answered at once where it is refused.

    Raises SessionCommitted where the response has begun, as Session does.
    """
    path = request.path.rstrip("/")
    one = _SESSION_PATH(path)
    allowed = ("DELETE",) if one else _METHODS.get(path)
    if allowed is None:
        return _refuse(404, "not-found", "No such endpoint", "See openapi.json under the endpoints' URL.")
    method = "GET" if request.method == "HEAD" else request.method
    if method not in allowed:
        refused = _refuse(405, "method-not-allowed", "Not this method", f"Use {' or '.join(allowed)}.")
        return refused._replace(headers=[*refused.headers, ("allow", ", ".join(allowed).replace("GET", "GET, HEAD"))])
    if method == "GET":
        return _plan_get(path, request, session)
    if path.startswith("/dbsc/"):
        # What was proved, the session was opened with; and no browser's own request is a visitor's.
        session.passive = True
        return Ask("key")
    body = _read_body(request)
    if isinstance(body, Answer):
        return body
    if path in ("", "/start"):
        return _plan_write(path, session, body, options)
    return _plan_post(path, session, one[1] if one else None, options.reauthenticate_within)


def _plan_post(path: str, session: Session, id: str | None, within: float | None) -> Ask | Answer:
    if path == "/logout":
        session.logout()
        return Ask("commit")
    if session.status != "active":
        return _no_session(session)
    if path == "/touch":
        return Ask("commit")
    try:
        # To end one's own is to log out, which needs no proof.
        user_id = session.require_login(within=None if id == session.id else within)
    except (LoginRequired, ReauthenticationRequired) as error:
        return problem_answer(problem_to_send(error))
    return Ask("revoke", user_id, id) if id else Ask("revoke_others", user_id, session.id or "")


def _plan_get(path: str, request: Request, session: Session) -> Ask | Answer:
    session.passive = True
    asset = ASSETS.get(path)
    if asset is not None:
        known = asset.etag in request.if_none_match
        return Answer(304, b"", asset.headers()[1:]) if known else Answer(200, asset.body, asset.headers())
    if path == "":
        return Ask("nothing")
    if path == "/events":
        return Ask("events") if request.streams else NO_EVENTS
    if session.user_id is None:
        return problem_answer(_login_required(session))
    return Ask("list", session.user_id)


def _plan_write(path: str, session: Session, body: dict[str, Any], options: BrowserOptions) -> Ask | Answer:
    starts = path == "/start"
    if not starts and session.status != "active":
        return _no_session(session)
    values, removed = body.get("data" if starts else "set", {}), body.get("remove", [])
    if not isinstance(values, dict) or not isinstance(removed, list) or any(type(key) is not str for key in removed):
        detail = 'Send {"set": {"key": value}, "remove": ["key"]}; to start, {"data": {"key": value}}.'
        return _refuse(400, "invalid-body", "Not what this endpoint takes", detail)
    # Whatever was declared, no browser says who is logged in.
    may = options.writable - {getattr(session, "_user_member", None)}
    unknown = sorted(key for key in [*values, *removed] if key not in may)
    if unknown:
        detail = f"A browser may not write {', '.join(map(repr, unknown[:5]))}. The server declares what it may."
        return _refuse(403, "not-writable", "Not the browser's to write", detail, keys=tuple(unknown))
    try:
        for key, value in values.items():
            encode(value, key)
    except InvalidData as error:
        return problem_answer(invalid_data(error))
    if starts:
        session.start()
    session.update(values)
    for key in removed:
        session.pop(key, None)
    return Ask("commit")


def _read_body(request: Request) -> dict[str, Any] | Answer:
    if not request.body:
        return {}
    if len(request.body) > MAX_BODY:
        return TOO_LARGE
    if request.content_type.partition(";")[0].strip().lower() != "application/json":
        # A form or text/plain could come from another site without a preflight (ASVS 3.5.2).
        return _refuse(415, "unsupported-media-type", "JSON only", "Send the body as application/json.")
    try:
        body = msgspec.json.decode(request.body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        detail = "nested too deep" if isinstance(error, RecursionError) else str(error)
        return _refuse(400, "invalid-body", "Not JSON", f"The body could not be read: {detail}.")
    if not isinstance(body, dict):
        return _refuse(400, "invalid-body", "Not a JSON object", "The body must be a JSON object, {…}.")
    return body


def answer(
    ask: Ask, session: Session, result: Sequence[SessionInfo] | int, options: BrowserOptions, now: int
) -> Answer:
    """The answer to what was carried out, after the commit: the session's state, the list, or how many were ended.

    `now` is in Unix milliseconds. Raises StoreUnavailable for damaged data.
    """
    if ask.action == "key":
        told = session._told
        return _json_text(told.instruction if told is not None else GIVE_UP)
    if ask.action == "events":  # of a HEAD
        return Answer(200, b"", HEADERS)
    if ask.action == "list":
        assert not isinstance(result, int)
        sessions = [listed(other, session.id) for other in result]
        return _json({"sessions": sessions})
    if ask.action in ("revoke", "revoke_others"):
        if ask.action == "revoke" and result == 0:
            return _refuse(404, "not-found", "No such session", "None of your live sessions has this id.")
        return _json({"ended": result})
    state = _json(state_of(session, options.readable, now))
    wants = session._kept.wants if session._kept and session._live else None
    return state._replace(headers=[*state.headers, ("dpop-nonce", wants)]) if wants else state


def to_send(found: Answer, method: str) -> Answer:
    """An answer as it goes out to a request of this `method`: without a body to a HEAD, and not for other sites."""
    length = ("content-length", str(len(found.body)))
    # Not to be embedded or read by other sites (ASVS 3.5.8).
    closed = ("cross-origin-resource-policy", "same-origin")
    return found._replace(body=b"" if method == "HEAD" else found.body, headers=[*found.headers, length, closed])


def problem_answer(problem: Problem) -> Answer:
    """A problem as an answer."""
    return Answer(problem.status, problem.body(), problem.headers())


def _refuse(status: int, code: str, title: str, detail: str, **held: Any) -> Answer:
    return problem_answer(Problem(status=status, code=code, title=title, detail=detail, **held))


def _no_session(session: Session) -> Answer:
    ended = problem_of(SessionEnded(session.end_reason)) if session.end_reason else None
    if ended is not None:
        return problem_answer(ended)
    return _refuse(401, "no-session", "There is no session", "Start one first.")


def _login_required(session: Session) -> Problem:
    problem = problem_of(LoginRequired(session.end_reason))
    assert problem is not None
    return problem


def _json(value: Any) -> Answer:
    return _json_text(msgspec.json.encode(value))


def _json_text(text: bytes) -> Answer:
    headers = (("content-type", "application/json"), ("cache-control", "no-store"), NOSNIFF)
    return Answer(200, text, headers)


_INSTEAD = "This server has a thread for each request, or asks a session service. Ask for the state instead."
NO_EVENTS = _refuse(501, "no-events", "No event stream here", _INSTEAD)
TOO_LARGE = _refuse(413, "body-too-large", "Too large", f"A body may have {MAX_BODY:,} bytes.", limit=MAX_BODY)
