"""`sojourn revoke`: end one session, all of a user, some, or all."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Any

import click

from sojourn.audit.operator import operator
from sojourn.core.errors import ConfigurationError, UnreadableRecord
from sojourn.core.info import SessionInfo, info
from sojourn.core.store import Store
from sojourn.manager import SessionManager

from .audit_option import audit_option, audited
from .duration import DURATION, relative
from .exit import Exit
from .inventory import all_of, all_records, all_records_of
from .selection import NETWORK, Selection
from .session_id import find_record
from .store_option import open_existing, realm_option, store_options
from .terminal import echo_json, live_line, safe

__all__ = ["revoke"]

# The first ends them, the second sees that none is left; more are for sessions that moved meanwhile.
MAX_PASSES = 20
EVERYONE = Selection()


@click.command()
@store_options
@realm_option
@audit_option
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
    audit: str | None,
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
    with open_existing(url) as store, audited(None if dry_run else audit) as trail:
        manager = SessionManager(store, realm=realm, on_event=trail)
        if dry_run:
            return _foretell(store, manager, id, selection, as_json)
        if id is not None:
            ended = _revoke_one(store, manager, id)
        elif user is not None and selection == Selection(user):
            ended = manager.revoke_all(user, by=operator())
        elif user is None and not _confirmed(store, manager, selection, yes):
            click.echo("Nothing was ended.", err=True)
            return Exit.NOTHING
        elif everyone:
            ended = _revoke_everything(manager, wanted=not as_json)
        else:
            ended = _revoke_selected(store, manager, selection, wanted=not as_json)
    if as_json:
        echo_json({"ended": ended})
    elif id is None:
        click.echo(f"{_count(ended)}{_of(user)} ended.")
    elif ended:
        click.echo("The session is ended.")
    return Exit.DONE if ended else Exit.NOTHING


def _foretell(store: Store, manager: SessionManager, id: str | None, selection: Selection, as_json: bool) -> int:
    if id is not None:
        record = find_record(store, id, manager.realm)
        count = int(record is not None and record.end_reason_at(manager.clock()) is None)
    else:
        count, _ = _counted(store, manager, selection)
    if as_json:
        echo_json({"ended": 0, "would_end": count})
    else:
        click.echo(f"{_count(count)}{_of(selection.user)} would end.")
    return Exit.DONE if count else Exit.NOTHING


def _revoke_one(store: Store, manager: SessionManager, id: str) -> int:
    try:
        record = find_record(store, id, manager.realm)
    except UnreadableRecord as unreadable:
        return int(manager.revoke(unreadable.id, by=operator()))
    if record is None:
        click.echo(f"No session has the id {safe(id)}.", err=True)
        return 0
    # Asked of the store in any case: its application's clock may run behind this one.
    if manager.revoke(record.id, by=operator()):
        return 1
    now = manager.clock()
    session = info(store.get(record.id) or record, now)
    click.echo(f"It was over already: {session.end_reason}, {relative(session.expires_at, now)}.", err=True)
    return 0


def _confirmed(store: Store, manager: SessionManager, selection: Selection, yes: bool) -> bool:
    if yes:
        return True
    if not sys.stdin.isatty():
        raise ConfigurationError(
            "This ends sessions of more than one user, and nobody is here to confirm it. Add --yes, or first --dry-run."
        )
    count, users = _counted(store, manager, selection)
    people = f"{users:,} user{'' if users == 1 else 's'}"
    return click.confirm(
        f"End {'all ' if selection == EVERYONE else ''}{_count(count)}, of {people} and of visitors?", err=True
    )


def _counted(store: Store, manager: SessionManager, selection: Selection) -> tuple[int, int]:
    """How many live sessions there are of these, and of how many users."""
    if selection == EVERYONE:
        stats = manager.stats()
        return stats.live, stats.users
    now, count = manager.clock(), 0
    users: set[str] = set()
    for page in _pages(store, manager, selection):
        live = [each for each in page if each.end_reason is None and selection.includes(each, now)]
        count += len(live)
        users.update(each.user_id for each in live if each.user_id is not None)
    return count, len(users)


def _pages(store: Store, manager: SessionManager, selection: Selection) -> Iterator[Sequence[SessionInfo]]:
    now = manager.clock()
    if selection.user is not None:
        return all_of(all_records_of(store, selection.user, now, manager.realm), now)
    return all_of(all_records(store, manager.realm), now)


def _revoke_everything(manager: SessionManager, *, wanted: bool) -> int:
    show = live_line(wanted=wanted)
    on_batch = (lambda count: show(f"{count:,} ended")) if show else None
    ended = manager.revoke_everything(on_batch, by=operator())
    if show:
        show("")
    return ended


def _revoke_selected(store: Store, manager: SessionManager, selection: Selection, *, wanted: bool) -> int:
    """End every one of these that there was when this began; how many.

    In passes, until one sees none: a session may get a new id meanwhile, behind the place where a pass was.
    """
    show = live_line(wanted=wanted)
    began = newest = manager.clock()
    total = 0
    for attempt in range(MAX_PASSES):
        seen = False
        for page in _pages(store, manager, selection):
            live = [each for each in page if each.end_reason is None and selection.includes(each, began)]
            if attempt == 0:
                # By its application's clock, which may run before this one.
                newest = max([newest, *[session.created_at for session in live]])
            old = [session for session in live if session.created_at <= newest]
            seen = seen or bool(old)
            total += sum(manager.revoke(session.id, by=operator()) for session in old)
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
