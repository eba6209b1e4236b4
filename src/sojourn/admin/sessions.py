"""Sessions: the search, and a page of what it found."""

from __future__ import annotations

import re

from sojourn.core.info import SessionInfo

from .desk import Desk
from .markup import Child, Markup, bdi, element
from .page import REASONS, button, field, link, moment, page, short, state, table, url
from .request import AdminAnswer, AdminRequest
from .search import STATES, Matches, Wanted

__all__ = ["sessions"]

_has_secret = re.compile("sjk?1-[0-9a-f]{8}", re.IGNORECASE).search

PASTED = (
    "That is a token or a key, a secret, and no id. A session's id is the 32 digits after sj1-. It is in your "
    "browser's history now: end that session, or revoke that key."
)
HEAD = ("Session", "User", "State", "Device", "Address", "Began", "Last seen")
NAMES = {"live": "live", "any": "live or ended", "ended": "ended, for any reason", **REASONS}


async def sessions(desk: Desk, request: AdminRequest) -> AdminAnswer:
    """What was looked for; without that, the live ones."""
    wanted = Wanted(
        request.field("user"),
        request.field("id").lower(),
        request.field("address"),
        request.field("device"),
        request.field("state") or "live",
    )
    mistake = wanted.mistake()
    if any(map(_has_secret, wanted)):
        # Not repeated: whoever reads it may take the session over.
        wanted, mistake = Wanted(), PASTED
    after = _cursor(request.field("after"))
    found = None if mistake else await desk.searches.look(wanted, after)
    return AdminAnswer(
        page(
            "Sessions",
            element("h1", "Sessions"),
            _search(wanted, mistake),
            _found(wanted, after, found, request.now) if found else None,
            operator=request.operator,
            here="/sessions",
            notice=request.session.pop("notice", ""),
        ),
        400 if mistake else 200,
    )


def _cursor(text: str) -> str:
    return text if len(text) == 32 and not text.strip("0123456789abcdef") else ""


def _search(wanted: Wanted, mistake: str | None) -> Markup:
    options = [element("option", NAMES[name], value=name, selected=name == wanted.state) for name in STATES]
    return element(
        "section",
        element("h2", "Search", class_="unseen"),
        element("p", mistake, class_="mistake", role="alert") if mistake else None,
        element(
            "form",
            field("User", "user", value=wanted.user, maxlength=255, spellcheck="false", autocapitalize="none"),
            field("Id, or its first digits", "id", value=wanted.id, maxlength=32, spellcheck="false"),
            field("Address or network", "address", value=wanted.address, maxlength=64, spellcheck="false"),
            field("Device or browser", "device", value=wanted.device, maxlength=100),
            element(
                "div",
                element("label", "State", for_="state"),
                element("select", options, id="state", name="state"),
                class_="field",
            ),
            button("Search"),
            method="get",
            action=url("/sessions"),
            class_="search",
        ),
        class_="card",
    )


def _found(wanted: Wanted, after: str, found: Matches, now: int) -> Markup:
    of_user = bool(wanted.user) and bool(found.sessions)
    here = url("/sessions", **wanted._asdict(), after=after)
    following = url("/sessions", **wanted._asdict(), after=found.after or "")
    return element(
        "section",
        element("h2", "Found"),
        element("p", _told(found), class_="soft", role="status"),
        table("Sessions found", HEAD, [_row(each, now) for each in found.sessions]) if found.sessions else None,
        element(
            "p",
            link("Look again", here, kind="primary") if not found.is_over else None,
            link("Next page", following, kind="primary") if found.is_over and found.after else None,
            link("End all of this user's…", url("/end", user=wanted.user), kind="danger") if of_user else None,
            class_="actions",
        ),
        class_="card",
    )


def _told(found: Matches) -> Child:
    count = f"{len(found.sessions):,} session{'' if len(found.sessions) == 1 else 's'}"
    if not found.is_over:
        return f"The store is being read: {count} so far, {found.share:.0%} of it passed. It goes on by itself."
    if found.after is not None:
        return f"{count} on this page."
    return f"{count} on this page. That is the end." if found.sessions else "No session is like that."


def _row(session: SessionInfo, now: int) -> list[Child]:
    user = session.user_id
    return [
        link(element("code", short(session.id)), url(f"/sessions/{session.id}")),
        link(bdi(user), url("/sessions", user=user)) if user is not None else element("span", "visitor", class_="soft"),
        state(session),
        bdi(session.device or session.user_agent or "–"),
        bdi(session.ip or "–"),
        moment(session.created_at, now),
        moment(session.seen_at, now),
    ]
