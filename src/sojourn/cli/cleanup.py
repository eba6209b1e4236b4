"""`sojourn cleanup` and `sojourn stats`: what a store holds, and letting go of what is over."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import click
import msgspec

from sojourn.audit.trail_location import is_url
from sojourn.core.policy import Policy
from sojourn.core.record import Record
from sojourn.core.store import Stats
from sojourn.stores.store_url import StoreURL

from .audit_option import audit_option, audited
from .duration import DURATION, spell
from .exit import Exit
from .inventory import all_records, with_progress
from .store_option import either_realm_option, now_ms, open_existing, open_manager, store_options
from .terminal import echo_json, fields, live_line

__all__ = ["cleanup", "stats"]


@click.command()
@store_options
@click.option(
    "--keep-ended",
    type=DURATION,
    default=f"{Policy().keep_ended:.0f}s",
    help="Keep what ended less than this long ago, so that browsers can be told why. Give your policy's. Default: 1d.",
)
@audit_option
@click.option(
    "--vacuum",
    is_flag=True,
    help="Then give the free room of an SQLite file back to the disk: by itself it gets no smaller. It is copied, and "
    "writers wait for that.",
)
def cleanup(url: str, as_json: bool, keep_ended: float, audit: str | None, vacuum: bool) -> int:
    """Delete sessions that are over. Run it daily; requests are served meanwhile.

    Nothing to delete is success too. Interrupted, it keeps what it did.
    """
    path = StoreURL.parse(url).path
    if vacuum and path is None:
        raise click.UsageError("--vacuum is for SQLite. PostgreSQL and Redis give room back by themselves.")
    show = live_line(wanted=not as_json)
    with audited(audit) as trail, open_manager(url, Policy(keep_ended=keep_ended), on_event=trail) as manager:
        deleted = manager.delete_expired((lambda count: show(f"{count:,} deleted")) if show else None)
        if audit and is_url(audit):
            from sojourn.audit import AuditTable  # here: most trails are files

            assert isinstance(trail, AuditTable)
            trail.delete_old()
    if show:
        show("")
    if vacuum and path is not None:
        from sojourn.stores.sqlite.file import WRITE_TIMEOUT, SQLiteFile

        SQLiteFile(path, WRITE_TIMEOUT).vacuum()
    if as_json:
        echo_json({"deleted": deleted})
    else:
        noun = "session" if deleted == 1 else "sessions"
        click.echo(f"{deleted:,} {noun} deleted that ended more than {spell(keep_ended)} ago.")
    return Exit.DONE


@click.command()
@store_options
@either_realm_option
def stats(url: str, as_json: bool, realm: str | None) -> int:
    """Count the sessions. Reads the whole store."""
    now = now_ms()
    with open_existing(url) as store:
        if realm is None:
            counts = store.stats(now)
        else:
            counts = _counted(with_progress(all_records(store, realm), wanted=not as_json), now)
    if as_json:
        echo_json({"now": now, **msgspec.to_builtins(counts)})
        return Exit.DONE
    size = f"{counts.bytes / 1024:,.0f} KiB" if counts.bytes else "unknown"
    pairs = [
        ("live", counts.live, ""),
        ("users", counts.users, "with a live session"),
        ("bound", counts.bound, _share(counts)),
        ("ended", counts.ended, "kept so that browsers can be told why"),
        ("expired", counts.expired, "ran out, nobody came back to notice"),
    ]
    widest = max(len(f"{number:,}") for _, number, _ in pairs)
    lines = [(name, f"{number:>{widest},}  {note}".rstrip()) for name, number, note in pairs]
    click.echo(fields([*lines, ("size", size)]))
    return Exit.DONE


def _share(counts: Stats) -> str:
    # Rounded down: 100 % says that a policy may ask it of all.
    percent = f", {100 * counts.bound // counts.live} % of the live" if counts.live else ""
    return f"to a key{percent}"


def _counted(pages: Iterable[Sequence[Record]], now: int) -> Stats:
    live = ended = expired = bound = 0
    users: set[str | None] = set()
    for page in pages:
        for record in page:
            is_live = record.end_reason_at(now) is None
            live, ended = live + is_live, ended + (record.ended_at is not None)
            expired += not is_live and record.ended_at is None
            bound += is_live and record.bound is not None
            users.update([record.user_id] if is_live else [])
    return Stats(live=live, ended=ended, expired=expired, users=len(users - {None}), bound=bound, bytes=0)
