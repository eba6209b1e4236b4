"""`sojourn audit`: the audit trail, shown and verified."""

from __future__ import annotations

import gzip
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import IO, Any, cast

import click

from sojourn.audit.audit_file import chain_path, read_chain
from sojourn.audit.chain import Chain, Link, Row, parse_line
from sojourn.audit.entry import spell_time, spelled
from sojourn.audit.trail_location import is_url, open_reader
from sojourn.audit.verification import EntryPlace, Flaw, Verification
from sojourn.core.errors import ConfigurationError

from .audit_option import audit_option
from .duration import DURATION
from .exit import Exit
from .store_option import now_ms
from .terminal import echo_json, safe

__all__ = ["audit", "verified_table"]

FOLLOW_EVERY = 0.25
TABLE = "sojourn_audit"
_FIRST = ("time", "what", "user_id", "session_id", "by", "address")
_CHAIN = {"n", "prev", "hash"}


@click.group(invoke_without_command=True)
@audit_option
@click.option("--user", metavar="USER", help="Only what is about this user.")
@click.option("--since", type=DURATION, help="Only what happened in the last 24h, say.")
@click.option("--follow", is_flag=True, help="Go on with what is written from now on, until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="Print the entries as they are: JSON, one a line.")
@click.pass_context
def audit(
    ctx: click.Context, audit: str | None, user: str | None, since: float | None, follow: bool, as_json: bool
) -> int | None:
    """Show the audit trail, the oldest first, or verify that it is whole."""
    ctx.obj = audit
    if ctx.invoked_subcommand is not None:
        return None
    location = _required(audit)
    earliest = "" if since is None else spell_time(now_ms() - int(since * 1000))
    policy: dict[str, Any] = {}
    shown = 0
    for line in _lines(location, follow=follow):
        entry = parse_line(line)
        if entry is None or str(entry["time"]) < earliest or user not in (None, entry.get("user_id")):
            continue
        click.echo(line.decode().rstrip("\n") if as_json else _told(entry, policy))
        policy, shown = _policy(entry) or policy, shown + 1
    return Exit.DONE if shown else Exit.NOTHING


@audit.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option("--partial", is_flag=True, help="What came before the first entry here was put away, and is not missed.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def verify(ctx: click.Context, files: tuple[Path, ...], partial: bool, as_json: bool) -> int:
    """Say which lines of the trail were removed, changed, moved or put in; exit 1 if any.

    FILES are those that it was rotated into, the oldest first (.gz may be), and the current one last. Without any, the
    current one alone, or the table. Who can write all of them can write a new trail: keep the last hash that is told
    elsewhere.
    """
    location = "" if files else _required(ctx.obj)
    if is_url(location):
        verification, flaws = verified_table(location)
    else:
        verification, flaws = _verified_files(files or (Path(location),), partial=partial)
    first, last = verification.first, verification.last
    if as_json:
        problems = [
            {"file": flaw.place.file, "line": flaw.place.line, **_said(flaw.kind, flaw.detail)} for flaw in flaws
        ]
        echo_json(
            {"entries": verification.entries, "first": first, "last": last.n, "hash": last.hash, "problems": problems}
        )
        return Exit.NOTHING if flaws else Exit.DONE
    for flaw in flaws:
        click.echo(f"{safe(flaw.place.file)}:{flaw.place.line}: {flaw.kind}: {flaw.detail}")
    whole = f"{len(flaws):,} problem{'' if len(flaws) == 1 else 's'}" if flaws else "whole"
    told = f"entries {first} to {last.n}, the last {last.hash or 'spoilt'}" if first is not None else "no entries"
    click.echo(f"The trail is {whole}: {told}." if not flaws else f"{whole} in {verification.entries:,} lines: {told}.")
    return Exit.NOTHING if flaws else Exit.DONE


def _said(kind: str, detail: str) -> dict[str, str]:
    return {"kind": kind, "detail": detail}


def _required(location: str | None) -> str:
    if location is None:
        raise click.UsageError("Which trail? Give --audit FILE, or the URL of a store, or SOJOURN_AUDIT.")
    return location


def _verified_files(paths: tuple[Path, ...], *, partial: bool) -> tuple[Verification, list[Flaw]]:
    # First: what is written meanwhile is then beyond it.
    kept = _kept(paths[-1])
    verification = Verification(partial=partial)
    end = EntryPlace(str(paths[-1]), 0)
    for place, line in chain.from_iterable(map(_placed, paths)):
        verification.look(place, line)
        end = place
    return verification, verification.finish(kept, end)


def verified_table(url: str) -> tuple[Verification, list[Flaw]]:
    """What was looked at of the table there, and what is wrong with it."""

    def look(kept: Chain, rows: Iterable[Row]) -> tuple[Verification, list[Flaw]]:
        verification = Verification(after=kept.cut)
        end = EntryPlace(TABLE, kept.cut.n)
        for n, line in rows:
            end = EntryPlace(TABLE, n)
            verification.look(end, line.encode())
        return verification, verification.finish(kept.last, end)

    from sojourn.audit.table import TableURL, open_table  # here: most trails are files

    with closing(open_table(TableURL.parse(url), make=False)) as table:
        return table.look(look)


def _open(path: Path) -> IO[bytes]:
    try:
        if path.suffix == ".gz":
            return cast(IO[bytes], gzip.open(path, "rb"))
        return path.open("rb")
    except FileNotFoundError:
        raise ConfigurationError(f"There is no audit trail at {path}: nothing was written yet, or elsewhere.") from None
    except OSError as error:
        raise ConfigurationError(f"The audit trail {path} cannot be read: {error.strerror}.") from None


def _placed(path: Path) -> Iterator[tuple[EntryPlace, bytes]]:
    with _open(path) as file:
        try:
            for number, line in enumerate(file, 1):
                yield EntryPlace(str(path), number), line
        except (OSError, EOFError) as error:
            raise ConfigurationError(f"The audit trail {path} cannot be read: {error}.") from None


def _kept(path: Path) -> Link | None:
    try:
        with chain_path(path).open("rb") as file:
            return read_chain(file.fileno())
    except OSError:
        return None


def _lines(location: str, *, follow: bool) -> Iterator[bytes]:
    """The lines of the trail; with `follow` also of the file that takes its place, and never an end."""
    if not is_url(location):
        _open(Path(location)).close()
    reader = open_reader(location)
    try:
        while True:
            lines = reader.read()
            yield from lines
            if not lines and not follow:
                return
            if not lines:
                time.sleep(FOLLOW_EVERY)
    finally:
        reader.close()


def _policy(entry: dict[str, Any]) -> dict[str, Any]:
    told = entry.get("policy")
    return told if isinstance(told, dict) else {}


def _told(entry: dict[str, Any], policy: dict[str, Any]) -> str:
    """An entry as a line; of a policy what differs from the one shown before."""
    at = datetime.fromisoformat(entry["time"]).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
    if policy and (now := _policy(entry)):
        changed = {name: f"{policy.get(name)} → {value}" for name, value in now.items() if value != policy.get(name)}
        entry = {**entry, "policy": changed or "as before"}
    rest = [name for name in sorted(entry) if name not in _FIRST and name not in _CHAIN]
    pairs = [f"{name}={spelled(entry[name])}" for name in (*_FIRST[2:], *rest) if name in entry]
    return safe(f"{at}  {entry['what']:<16}  {'  '.join(pairs)}")
