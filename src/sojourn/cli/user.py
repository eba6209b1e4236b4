"""`sojourn export` and `sojourn erase`: what is held about one user, told and deleted."""

from __future__ import annotations

from itertools import chain
from typing import Any

import click
import msgspec

from sojourn.manager import SessionManager

from .exit import Exit
from .sessions import pages
from .store_option import open_manager, realm_option, store_options
from .terminal import echo_json, safe

__all__ = ["erase", "export"]

_user = click.option("--user", metavar="USER", required=True, help="The user's id.")


@click.command()
@store_options
@realm_option
@_user
def export(url: str, as_json: bool, realm: str, user: str) -> int:
    """Print what is held about a user, as JSON: sessions, live and dead, with data, devices, addresses and times.

    Reads the whole store. No token and no hash is in it: nothing there opens a session.
    """
    with open_manager(url, realm=realm) as manager:
        now, sessions = manager.clock(), _held(manager, user)
    echo_json({"now": now, "user_id": user, "realm": realm, "sessions": sessions})
    return Exit.DONE if sessions else Exit.NOTHING


@click.command()
@store_options
@realm_option
@_user
@click.option("--dry-run", is_flag=True, help="Say how many it would be, and erase none.")
def erase(url: str, as_json: bool, realm: str, user: str, dry_run: bool) -> int:
    """End a user's sessions, and leave no row, address or user agent of them, live or dead.

    Reads the whole store. The browser is told nothing of why: there is nothing left that could say so.
    """
    with open_manager(url, realm=realm) as manager:
        count = len(_held(manager, user)) if dry_run else manager.erase(user)
    if as_json:
        echo_json({"erased": 0, "would_erase": count} if dry_run else {"erased": count})
    else:
        noun = "session" if count == 1 else "sessions"
        click.echo(f"{count:,} {noun} of {safe(user)} {'would be ' if dry_run else ''}erased.")
    return Exit.DONE if count else Exit.NOTHING


def _held(manager: SessionManager, user: str) -> list[dict[str, Any]]:
    found = [each for each in chain.from_iterable(pages(manager)) if each.user_id == user]
    return [msgspec.to_builtins(each) for each in found if manager.get(each.id) is not None]
