"""`sojourn revoke`: end one session, all of a user, some, or all."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Any

import click

from sojourn.core.errors import ConfigurationError
from sojourn.core.info import SessionInfo
from sojourn.manager import SessionManager

from .duration import DURATION, relative
from .exit import Exit
from .selection import NETWORK, Selection
from .session_id import find_session
from .sessions import pages
from .store_option import open_manager, realm_option, store_options
from .terminal import echo_json, live_line, safe

__all__ = ["revoke"]

# The first ends them, the second sees that none is left; more are for sessions that moved meanwhile.
MAX_PASSES = 20
EVERYONE = Selection()


@click.command()
@store_options
@realm_option
@click.argument("id", required=False)
@click.option("--user", metavar="USER", help="All of this user's sessions, at one instant.")
@click.option("--ip", "addresses", metavar="ADDRESS", type=NETWORK, help="Those that began there: one, or a network's.")
@click.option("--older-than", type=DURATION, help="Those that began longer ago than this, like 30d.")
@click.option("--all", "everyone", is_flag=True, help="Every session of everyone.")
@click.option("--dry-run", is_flag=True, help="Say how many it would be, and end none.")
@click.option("--yes", is_flag=True, help="Do not ask. Needed where nobody can answer.")
def revoke(
    url: str,
    as_json: bool,
    realm: str,
    id: str | None,
    everyone: bool,
    dry_run: bool,
    yes: bool,
    **which: Any,
) -> int:
    """End sessions: one by ID, a user's, those of an address, old ones, or all.

    It holds at once, on every server and for requests under way. The browser is told "revoked". --user, --ip and
    --older-than narrow one another down. Without an ID or --user it asks first.
    """
    selection = Selection(**which)
    user = selection.user
    if (id is not None) + (selection != EVERYONE) + everyone != 1:
        raise click.UsageError("Say which sessions: an ID, or any of --user, --ip and --older-than, or --all.")
    with open_manager(url, realm=realm) as manager:
        if dry_run:
            return _foretell(manager, id, selection, as_json)
        if id is not None:
            ended = _revoke_one(manager, id)
        elif user is not None and selection == Selection(user):
            ended = manager.revoke_all(user)
        elif user is None and not _confirmed(manager, selection, yes):
            click.echo("Nothing was ended.", err=True)
            return Exit.NOTHING
        elif everyone:
            ended = _revoke_everything(manager, wanted=not as_json)
        else:
            ended = _revoke_selected(manager, selection, wanted=not as_json)
    if as_json:
        echo_json({"ended": ended})
    elif id is None:
        click.echo(f"{_count(ended)}{_of(user)} ended.")
    elif ended:
        click.echo("The session is ended.")
    return Exit.DONE if ended else Exit.NOTHING


def _foretell(manager: SessionManager, id: str | None, selection: Selection, as_json: bool) -> int:
    if id is not None:
        session = find_session(manager, id)
        count = int(session is not None and session.end_reason is None)
    else:
        count, _ = _counted(manager, selection)
    if as_json:
        echo_json({"ended": 0, "would_end": count})
    else:
        click.echo(f"{_count(count)}{_of(selection.user)} would end.")
    return Exit.DONE if count else Exit.NOTHING


def _revoke_one(manager: SessionManager, id: str) -> int:
    session = find_session(manager, id)
    if session is None:
        click.echo(f"No session has the id {safe(id)}.", err=True)
        return 0
    # Asked of the store in any case: its application's clock may run behind this one.
    if manager.revoke(session.id):
        return 1
    now = manager.clock()
    session = manager.get(session.id) or session
    click.echo(f"It was over already: {session.end_reason}, {relative(session.expires_at, now)}.", err=True)
    return 0


def _confirmed(manager: SessionManager, selection: Selection, yes: bool) -> bool:
    if yes:
        return True
    if not sys.stdin.isatty():
        raise ConfigurationError(
            "This ends sessions of more than one user, and nobody is here to confirm it. Add --yes, or first --dry-run."
        )
    count, users = _counted(manager, selection)
    people = f"{users:,} user{'' if users == 1 else 's'}"
    return click.confirm(
        f"End {'all ' if selection == EVERYONE else ''}{_count(count)}, of {people} and of visitors?", err=True
    )


def _counted(manager: SessionManager, selection: Selection) -> tuple[int, int]:
    """How many live sessions there are of these, and of how many users."""
    if selection == EVERYONE:
        stats = manager.stats()
        return stats.live, stats.users
    now, count = manager.clock(), 0
    users: set[str] = set()
    for page in _pages(manager, selection):
        live = [each for each in page if each.end_reason is None and selection.includes(each, now)]
        count += len(live)
        users.update(each.user_id for each in live if each.user_id is not None)
    return count, len(users)


def _pages(manager: SessionManager, selection: Selection) -> Iterable[Sequence[SessionInfo]]:
    return pages(manager) if selection.user is None else [manager.list(selection.user)]


def _revoke_everything(manager: SessionManager, *, wanted: bool) -> int:
    show = live_line(wanted=wanted)
    ended = manager.revoke_everything((lambda count: show(f"{count:,} ended")) if show else None)
    if show:
        show("")
    return ended


def _revoke_selected(manager: SessionManager, selection: Selection, *, wanted: bool) -> int:
    """End every one of these that there was when this began; how many.

    In passes, until one sees none: a session may get a new id meanwhile, behind the place where a pass was.
    """
    show = live_line(wanted=wanted)
    began = newest = manager.clock()
    total = 0
    for attempt in range(MAX_PASSES):
        seen = False
        for page in _pages(manager, selection):
            live = [each for each in page if each.end_reason is None and selection.includes(each, began)]
            if attempt == 0:
                # By its application's clock, which may run before this one.
                newest = max([newest, *[session.created_at for session in live]])
            old = [session for session in live if session.created_at <= newest]
            seen = seen or bool(old)
            total += sum(manager.revoke(session.id) for session in old)
            if show:
                show(f"{total:,} ended")
        if not seen:
            break
    if show:
        show("")
    return total


def _count(number: int) -> str:
    return f"{number:,} session{'' if number == 1 else 's'}"


def _of(user: str | None) -> str:
    return "" if user is None else f" of {safe(user)}"
