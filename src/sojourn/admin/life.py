"""Life: one session's facts, and what happened to it, in order."""

from __future__ import annotations

from typing import NamedTuple

from sojourn.core.info import SessionInfo
from sojourn.core.record import Record

from .desk import Desk
from .duration import spell
from .markup import Child, Markup, bdi, element, prose
from .page import REASONS, facts, link, moment, page, short, state, url
from .request import AdminAnswer, AdminRequest
from .search import summary

__all__ = ["Happening", "happenings", "life"]

BOUND = {"browser": "a key in the browser", "hardware": "a key in the device's hardware", None: "no key"}


class Happening(NamedTuple):
    """Something that happened at a moment, or is due then, in Unix milliseconds."""

    at: int
    what: str
    more: str = ""
    kind: str = ""


async def life(desk: Desk, request: AdminRequest) -> AdminAnswer:
    """The page of the session that the path names."""
    id = request.path.rpartition("/")[2]
    record = await desk.store.get(id)
    if record is None or record.realm != desk.manager.realm:
        content = [
            element("h1", "No such session"),
            element("p", "No session has this id. It may have been cleaned up, some time after its end."),
            element("p", link("Search", url("/sessions"), kind="quiet")),
        ]
        return AdminAnswer(page("No such session", *content, operator=request.operator, here="/sessions"), 404)
    now = request.now
    session = summary(record, now)
    return AdminAnswer(
        page(
            f"Session {short(id)}",
            element("h1", "Session ", element("code", short(id)), " ", state(session)),
            element(
                "div",
                element("section", element("h2", "What it is"), _facts(session, record), class_="card"),
                element("section", element("h2", "Its life"), _line(record, now), class_="card"),
                class_="two",
            ),
            _actions(session),
            operator=request.operator,
            here="/sessions",
            notice=request.session.pop("notice", ""),
        )
    )


def happenings(record: Record, now: int) -> list[Happening]:
    """What a record tells of its session's life, the oldest first; what is due comes last."""
    found = [Happening(record.created_at, "Began", _after(record))]
    if record.authenticated_at is not None:
        proved = ", ".join([*([record.level] if record.level else []), *record.methods])
        found.append(Happening(record.authenticated_at, "Logged in", f"proved: {proved}" if proved else ""))
    if record.secrets.rotated_at > record.created_at:
        found.append(Happening(record.secrets.rotated_at, "Secret renewed", "the latest time"))
    if record.seen_at > record.created_at:
        found.append(Happening(record.seen_at, "Last seen", "to its policy's touch_interval"))
    found.sort(key=lambda each: each.at)
    reason = record.end_reason_at(now)
    if reason is not None:
        return [*found, Happening(record.expires_at, "Ended", REASONS[reason], "end")]
    idle_at = record.seen_at + record.idle_timeout
    found.append(Happening(min(idle_at, record.absolute_expires_at), "Ends, if nobody comes", "", "due"))
    if idle_at < record.absolute_expires_at:
        found.append(Happening(record.absolute_expires_at, "Ends at the latest", "", "due"))
    return found


def _after(record: Record) -> str:
    return f"after one that ended: {REASONS[record.follows]}" if record.follows else ""


def _line(record: Record, now: int) -> Markup:
    return element(
        "ol",
        [
            element(
                "li",
                element("b", each.what),
                element("span", each.more) if each.more else None,
                moment(each.at, now),
                class_=each.kind or None,
            )
            for each in happenings(record, now)
        ],
        class_="line",
    )


def _facts(session: SessionInfo, record: Record) -> Markup:
    user = session.user_id
    sizes = [f"{key} ({len(value):,} bytes)" for key, value in sorted(record.data.items())]
    pairs: list[tuple[str, Child]] = [
        ("Id", element("code", session.id)),
        ("User", link(bdi(user), url("/sessions", user=user)) if user is not None else "nobody: a visitor"),
        ("Device", bdi(session.device or "–")),
        ("User agent", bdi(session.user_agent or "–")),
        ("Address", bdi(session.ip or "–")),
        ("Bound to", BOUND[session.bound]),
        ("Remembered", "yes" if session.remember else "no"),
        ("Idle timeout", spell(session.idle_timeout / 1000)),
        ("Version", f"{session.version:,}"),
        ("Data", element("ul", [element("li", bdi(text)) for text in sizes]) if sizes else "none"),
    ]
    hint = "Of the data the names are shown, and no value: that is the application's. `sojourn show` prints it."
    return element("div", facts(pairs), element("small", prose(hint)))


def _actions(session: SessionInfo) -> Markup | None:
    user = session.user_id
    alive = session.end_reason is None
    links = [
        link("End this session…", url("/end", id=session.id), kind="danger") if alive else None,
        link("End all others of this user's…", url("/end", user=user, keep=session.id), kind="danger")
        if user is not None and alive
        else None,
        link("End all of this user's…", url("/end", user=user), kind="danger") if user is not None else None,
    ]
    return element("p", links, class_="actions") if any(links) else None
