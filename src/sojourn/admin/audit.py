"""Audit: what the trail tells, the newest first, of everybody or of one user."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sojourn.audit.entry import spelled
from sojourn.audit.newest import Newest, newest

from .desk import Desk
from .markup import Child, Markup, bdi, element, prose
from .page import button, field, link, moment, page, short, table, url
from .request import AdminAnswer, AdminRequest

__all__ = ["audit"]

HEAD = ("When", "What", "User", "Session", "By", "From", "More")
SHOWN = {"n", "prev", "hash", "time", "what", "user_id", "session_id", "by", "address"}
NO_TRAIL = "This program writes no audit trail. Start it with `--audit FILE`."
OLDER = "What was rotated away, and whether a line was changed, `sojourn audit` and `sojourn audit verify` tell."


async def audit(desk: Desk, request: AdminRequest) -> AdminAnswer:
    """A page of entries."""
    user, before = request.field("user"), request.field("before")
    content: list[Child] = [element("h1", "Audit")]
    if desk.trail is None:
        content.append(element("p", prose(NO_TRAIL)))
    else:
        at = int(before) if before.isascii() and before.isdigit() and len(before) < 16 else 0
        found = await asyncio.to_thread(newest, desk.trail, user, at)
        content += [_search(user), _found(found, user, request.now)]
    return AdminAnswer(page("Audit", *content, operator=request.operator, here="/audit"))


def _search(user: str) -> Markup:
    return element(
        "section",
        element("h2", "Search", class_="unseen"),
        element(
            "form",
            field("User", "user", value=user, maxlength=255, spellcheck="false", autocapitalize="none"),
            button("Search"),
            method="get",
            action=url("/audit"),
            class_="search",
        ),
        class_="card",
    )


def _found(found: Newest, user: str, now: int) -> Markup:
    count = f"{len(found.entries):,} entr{'y' if len(found.entries) == 1 else 'ies'} on this page"
    older = url("/audit", user=user, before=str(found.before or ""))
    return element(
        "section",
        element("h2", "Found"),
        element("p", f"{count}, the newest first." + ("" if found.before else " That is the end."), class_="soft"),
        table("Entries", HEAD, [_row(entry, now) for entry in found.entries]) if found.entries else None,
        element("p", link("Older", older, kind="primary"), class_="actions") if found.before else None,
        element("small", prose(OLDER)),
        class_="card",
    )


def _row(entry: Mapping[str, Any], now: int) -> list[Child]:
    user, session = entry.get("user_id"), str(entry.get("session_id", ""))
    return [
        _moment(str(entry["time"]), now),
        str(entry["what"]).replace("_", " "),
        link(bdi(str(user)), url("/audit", user=str(user))) if user is not None else "–",
        _session(session) if session else "–",
        _by(str(entry.get("by", "–"))),
        bdi(str(entry.get("address", "–"))),
        bdi(", ".join(f"{name} {spelled(value)}" for name, value in entry.items() if name not in SHOWN) or "–"),
    ]


def _session(id: str) -> Markup:
    return link(element("code", short(id)), url(f"/sessions/{id}"))


def _by(by: str) -> Child:
    kind, _, id = by.partition(":")
    return ["session ", _session(id)] if kind == "session" else bdi(by)


def _moment(time: str, now: int) -> Child:
    try:
        return moment(round(datetime.fromisoformat(time).timestamp() * 1000), now)
    except (ValueError, OverflowError, OSError):
        return bdi(time)  # a line that was not written by us
