"""`sojourn revoke`: end one session, all of a user, or all."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from sojourn.core.errors import ConfigurationError
from sojourn.core.info import SessionInfo
from sojourn.manager import SessionManager

from .duration import relative
from .exit import Exit
from .session_id import find_session
from .sessions import pages
from .store_option import open_manager, store_options
from .terminal import echo_json, live_line, safe

__all__ = ["revoke"]

# The first ends them, the second sees that none is left; more are for sessions that moved meanwhile.
MAX_PASSES = 20


@click.command()
@store_options
@click.argument("id", required=False)
@click.option("--user", metavar="USER", help="End all of this user's sessions, at one instant.")
@click.option("--all", "everyone", is_flag=True, help="End every session of everyone. Asks first.")
@click.option("--yes", is_flag=True, help="With --all: do not ask. Needed where nobody can answer.")
def revoke(url: str, as_json: bool, id: str | None, user: str | None, everyone: bool, yes: bool) -> int:
    """End sessions: one by ID, all of a USER, or all.

    It holds at once, on every server and for requests under way. The browser is told "revoked".
    """
    if (id is not None) + (user is not None) + everyone != 1:
        raise click.UsageError("Say which sessions: an ID, or --user USER, or --all.")
    with open_manager(url) as manager:
        if id is not None:
            ended = _revoke_one(manager, id)
        elif user is not None:
            ended = manager.revoke_all(user)
            _print(f"{_count(ended)} of {safe(user)} ended.", as_json)
        else:
            if not _confirmed(manager, yes):
                click.echo("Nothing was ended.", err=True)
                return Exit.NOTHING
            ended = _revoke_everyone(manager, wanted=not as_json)
            _print(f"{_count(ended)} ended.", as_json)
    if as_json:
        echo_json({"ended": ended})
    elif id is not None and ended:
        click.echo("The session is ended.")
    return Exit.DONE if ended else Exit.NOTHING


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


def _confirmed(manager: SessionManager, yes: bool) -> bool:
    if yes:
        return True
    if not sys.stdin.isatty():
        raise ConfigurationError("--all ends every session, and nobody is here to confirm it. Add --yes.")
    stats = manager.stats()
    people = f"{stats.users:,} user{'' if stats.users == 1 else 's'}"
    return click.confirm(f"End all {_count(stats.live)}, of {people} and of visitors?", err=True)


def _revoke_everyone(manager: SessionManager, *, wanted: bool) -> int:
    """End every session that there was when this began; how many.

    In passes, until one sees none: a session may get a new id meanwhile, behind the place where a pass was.
    """
    show = live_line(wanted=wanted)
    newest, total = manager.clock(), 0
    for attempt in range(MAX_PASSES):
        seen = False
        for page in pages(manager):
            live = [session for session in page if session.end_reason is None]
            if attempt == 0:
                # By its application's clock, which may run before this one.
                newest = max([newest, *[session.created_at for session in live]])
            old = [session for session in live if session.created_at <= newest]
            seen = seen or bool(old)
            total += _revoke_page(manager, old)
            if show:
                show(f"{total:,} ended")
        if not seen:
            break
    if show:
        show("")
    return total


def _revoke_page(manager: SessionManager, live: Sequence[SessionInfo]) -> int:
    # All of a user at one instant, so that no session of theirs can move to a new id in between.
    users = dict.fromkeys(session.user_id for session in live if session.user_id is not None)
    visitors = [session.id for session in live if session.user_id is None]
    return sum(manager.revoke_all(user) for user in users) + sum(manager.revoke(id) for id in visitors)


def _count(number: int) -> str:
    return f"{number:,} session{'' if number == 1 else 's'}"


def _print(text: str, as_json: bool) -> None:
    if not as_json:
        click.echo(text)
