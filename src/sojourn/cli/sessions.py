"""`sojourn list` and `sojourn show`: sessions, for a person or as JSON."""

from __future__ import annotations

import heapq
import json
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from itertools import chain
from typing import Any, get_args

import click

from sojourn.core.errors import EndReason
from sojourn.core.info import SessionInfo, info
from sojourn.core.record import Bound

from .duration import DURATION, relative
from .exit import Exit
from .inventory import all_of, all_records, all_records_of, with_progress
from .selection import NETWORK, Selection
from .session_id import find_record
from .store_option import either_realm_option, now_ms, open_existing, store_options
from .terminal import columns, echo_json, fields, is_terminal, safe, table

__all__ = ["describe", "list_", "show"]

SHORT_ID = 12
NOBODY = "-"
BOUND: dict[Bound | None, str] = {
    None: "no: the token alone opens it",
    "browser": "to a key in the browser",
    "hardware": "to a key in the device's hardware",
}


@click.command("list")
@store_options
@either_realm_option
@click.option("--user", metavar="USER", help="Only this user's sessions.")
@click.option(
    "--ip", "addresses", metavar="ADDRESS", type=NETWORK, help="Only those that began there: one, or a network's."
)
@click.option(
    "--since", type=DURATION, help="Only what was seen, or where it is over ended, less than this long ago, like 2h."
)
@click.option("--reason", type=click.Choice(get_args(EndReason)), help="Only dead ones that ended for this.")
@click.option("--all", "with_dead", is_flag=True, help="Dead sessions too, with why they ended.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="Show at most so many.")
def list_(url: str, as_json: bool, realm: str | None, with_dead: bool, limit: int, **which: Any) -> int:
    """List sessions, the latest seen first.

    Reads the whole store, but for the live ones of a --user, in the --realm or in none. On a terminal ids are
    shortened; every command takes them so.
    """
    selection = Selection(**which)
    with_dead = with_dead or selection.reason is not None
    now = now_ms()
    with open_existing(url) as store:
        if selection.user is not None and not with_dead:
            records = all_records_of(store, selection.user, now, realm or "")
        else:
            records = all_records(store, realm)
        there = chain.from_iterable(all_of(with_progress(records, wanted=not as_json), now))
        wanted = (each for each in there if with_dead or each.end_reason is None)
        total, latest = _latest((each for each in wanted if selection.includes(each, now)), limit)
    if as_json:
        documents = [_document(session, now) for session in latest]
        echo_json({"now": now, "total": total, "sessions": documents})
    elif latest:
        click.echo(_table(latest, now, with_dead))
    if not as_json and (not latest or (is_terminal() and total > limit)):
        kind = "sessions" if with_dead else "live sessions"
        click.echo(f"{limit:,} of {total:,} {kind}. See more with --limit." if latest else f"No {kind}.", err=True)
    return Exit.DONE if latest else Exit.NOTHING


@click.command()
@store_options
@either_realm_option
@click.argument("id")
def show(url: str, as_json: bool, realm: str | None, id: str) -> int:
    """Show one session, live or dead, with its data.

    ID may be its first 4 or more digits, where no other session begins so.
    """
    now = now_ms()
    with open_existing(url) as store:
        record = find_record(store, id, realm)
    session = info(record, now) if record else None
    if as_json:
        document = _document(session, now) | {"data": session.data} if session else None
        echo_json({"now": now, "session": document})
    elif session is None:
        click.echo(f"No session has the id {safe(id)}. It may have been cleaned up.", err=True)
    else:
        click.echo(describe(session, now))
        click.echo(_pretty(session.data))
    return Exit.DONE if session else Exit.NOTHING


def describe(session: SessionInfo, now: int) -> str:
    """A session's facts, one a line, without its data."""
    moment = _moment(now)
    dead = session.end_reason is not None
    pairs = [
        ("id", session.id),
        ("user", session.user_id or NOBODY),
        ("status", f"ended: {session.end_reason}" if dead else "live"),
        ("started", moment(session.created_at)),
        ("logged in", moment(session.authenticated_at) if session.authenticated_at is not None else NOBODY),
        ("last seen", moment(session.seen_at)),
        ("ended" if dead else "ends", moment(session.expires_at)),
        *([] if dead else [("at the latest", moment(session.absolute_expires_at))]),
        ("remembered", "yes" if session.remember else "no"),
        ("ip", session.ip or NOBODY),
        ("device", device(session)),
        ("user agent", session.user_agent or NOBODY),
        ("bound", BOUND[session.bound]),
        ("version", str(session.version)),
    ]
    return fields(pairs)


def device(session: SessionInfo) -> str:
    """The label like "Chrome on Windows" that was made at the log-in, or the header itself where there is none."""
    return session.device or session.user_agent or NOBODY


def _latest(sessions: Iterable[SessionInfo], limit: int) -> tuple[int, list[SessionInfo]]:
    total = 0

    def counted() -> Iterator[SessionInfo]:
        nonlocal total
        for session in sessions:
            total += 1
            yield session

    latest = heapq.nlargest(limit, counted(), key=lambda session: session.seen_at)
    return total, latest


def _table(sessions: list[SessionInfo], now: int, with_dead: bool) -> str:
    short = SHORT_ID if is_terminal() else None
    header = ["ID", "USER", "STARTED", "SEEN", "ENDS", "BOUND", "IP", "DEVICE"]
    rows = []
    for session in sessions:
        moments = [relative(at, now) for at in (session.created_at, session.seen_at, session.expires_at)]
        where = [session.bound or NOBODY, session.ip or NOBODY, device(session)]
        rows.append([session.id[:short], session.user_id or NOBODY, *moments, *where])
    if with_dead:
        header.insert(2, "STATUS")
        for row, session in zip(rows, sessions, strict=True):
            row.insert(2, session.end_reason or "live")
    return table(header, rows, faint=[session.end_reason is not None for session in sessions], fit=columns())


def _document(session: SessionInfo, now: int) -> dict[str, Any]:
    dead = session.end_reason is not None
    return {
        "id": session.id,
        "user_id": session.user_id,
        "status": "ended" if dead else "active",
        "end_reason": session.end_reason,
        "created_at": session.created_at,
        "authenticated_at": session.authenticated_at,
        "seen_at": session.seen_at,
        "expires_at": session.expires_at,
        "absolute_expires_at": session.absolute_expires_at,
        "ended_at": session.expires_at if dead else None,
        "remember": session.remember,
        "bound": session.bound,
        "version": session.version,
        "ip": session.ip,
        "user_agent": session.user_agent,
    }


def _moment(now: int) -> Callable[[int], str]:
    def spelled(at: int) -> str:
        when = datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        return f"{relative(at, now)} ({when})"

    return spelled


def _pretty(data: dict[str, Any]) -> str:
    text = json.dumps(data, indent=2, ensure_ascii=False, sort_keys=True)
    lines = [safe(line) for line in text.splitlines()] if data else ["{}"]
    return "\n".join([click.style("data", bold=True), *["  " + line for line in lines]])
