"""`sojourn export` and `sojourn erase`: what is held about one user, told and deleted."""

from __future__ import annotations

from itertools import chain
from typing import Any

import click
import msgspec

from sojourn.audit.operator import operator
from sojourn.core.errors import StoreUnavailable
from sojourn.core.info import info
from sojourn.core.record import Record
from sojourn.core.store import Store

from .audit_option import audit_option, audited
from .exit import Exit
from .inventory import all_records, with_progress
from .store_option import now_ms, open_existing, open_manager, realm_option, store_options
from .terminal import echo_json, safe

__all__ = ["erase", "export"]

_user = click.option("--user", metavar="USER", required=True, help="The user's id.")


@click.command()
@store_options
@realm_option
@_user
def export(url: str, as_json: bool, realm: str, user: str) -> int:
    """Print what is held about a user, as JSON: sessions, live and dead, with data, devices, addresses and times.

    Reads the whole store. No token and no hash is in it: nothing there opens a session. Where the data of a session
    cannot be read, it says so for that one, and goes on.
    """
    now = now_ms()
    with open_existing(url) as store:
        sessions = [_document(record, now) for record in _held(store, user, realm)]
    echo_json({"now": now, "user_id": user, "realm": realm, "sessions": sessions})
    for session in sessions:
        if session["data"] is None:
            click.echo(f"The data of session {session['id']} cannot be read; all else of it is there.", err=True)
    return Exit.DONE if sessions else Exit.NOTHING


@click.command()
@store_options
@realm_option
@_user
@audit_option
@click.option("--dry-run", is_flag=True, help="Say how many it would be, and erase none.")
def erase(url: str, as_json: bool, realm: str, user: str, audit: str | None, dry_run: bool) -> int:
    """End a user's sessions, and leave no row, address or user agent of them, live or dead.

    Reads the whole store. The browser is told nothing of why: there is nothing left that could say so.
    """
    if dry_run:
        with open_existing(url) as store:
            count = len(_held(store, user, realm))
    else:
        with audited(audit) as trail, open_manager(url, realm=realm, on_event=trail) as manager:
            count = manager.erase(user, by=operator())
            if trail is not None:
                trail.note("erased", by=operator(), user_id=user, rows=count)
    if as_json:
        echo_json({"erased": 0, "would_erase": count} if dry_run else {"erased": count})
    else:
        noun = "session" if count == 1 else "sessions"
        click.echo(f"{count:,} {noun} of {safe(user)} {'would be ' if dry_run else ''}erased.")
    return Exit.DONE if count else Exit.NOTHING


def _held(store: Store, user: str, realm: str) -> list[Record]:
    records = chain.from_iterable(with_progress(all_records(store, realm), wanted=True))
    return [record for record in records if record.user_id == user]


def _document(record: Record, now: int) -> dict[str, Any]:
    try:
        found: dict[str, Any] = msgspec.to_builtins(info(record, now))
    except StoreUnavailable:
        found = msgspec.to_builtins(info(msgspec.structs.replace(record, data={}), now)) | {"data": None}
    return found
