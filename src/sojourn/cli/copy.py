"""`sojourn copy`: the sessions of one store, into another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import closing
from typing import Any, get_args

import click

from sojourn.audit.operator import operator
from sojourn.core.copy import CopyOutcome
from sojourn.core.policy import Policy
from sojourn.manager.copy import copy_sessions
from sojourn.stores.store_url import StoreURL

from .audit_option import audit_option, audited
from .duration import DURATION, spell
from .exit import Exit
from .store_option import existing_store, json_option, shared_store
from .terminal import echo_json, live_line

__all__ = ["copy"]

WRITTEN: tuple[tuple[CopyOutcome, str], ...] = (
    ("copied", "copied"),
    ("updated", "brought up to date"),
    ("ended", "ended"),
)


def _url(name: str, help: str) -> Callable[[Any], Any]:
    return click.option(
        f"--{name}",
        f"{name}_url",
        metavar="URL",
        envvar=f"SOJOURN_COPY_{name.upper()}",
        required=True,
        show_envvar=True,
        help=help,
    )


@click.command()
@_url("from", "Where the sessions are. Nothing is written there.")
@_url("to", "Where they are to be. What else is there stays.")
@click.option(
    "--keep-ended",
    type=DURATION,
    default=f"{Policy().keep_ended:.0f}s",
    help="Leave behind what ended longer ago than this. Give your policy's. Default: 1d.",
)
@audit_option
@json_option
def copy(from_url: str, to_url: str, keep_ended: float, audit: str | None, as_json: bool) -> int:
    """Copy the sessions of one store into another, so that nobody is signed out by the move.

    Both may be in use. Run it again after the move, until nothing differs. Interrupted, it keeps what it did.
    """
    at, to = StoreURL.parse(from_url), StoreURL.parse(to_url)
    if at.bare == to.bare:
        raise click.UsageError("--from and --to are the same store.")
    show = live_line(wanted=not as_json)
    counts: Counter[CopyOutcome] = Counter()

    def on_page(so_far: Counter[CopyOutcome]) -> None:
        nonlocal counts
        counts = so_far
        if show:
            show(f"{counts.total():,} read, {counts['copied']:,} copied")

    with audited(audit) as trail, closing(existing_store(from_url)) as source, closing(shared_store(to_url)) as target:
        try:
            counts = copy_sessions(source, target, keep_ended=keep_ended, on_page=on_page)
        finally:
            # What was interrupted keeps what it did.
            if trail is not None:
                trail.note("copied", by=operator(), source=at.scheme, target=to.scheme, sessions=dict(counts))
    if show:
        show("")
    if as_json:
        echo_json({"read": counts.total(), **{outcome: counts[outcome] for outcome in get_args(CopyOutcome)}})
    else:
        click.echo(_told(counts, keep_ended))
    return Exit.DONE


def _told(counts: Counter[CopyOutcome], keep_ended: float) -> str:
    parts = [f"{counts[outcome]:,} {word}" for outcome, word in WRITTEN if counts[outcome]]
    lines = [f"{counts.total():,} read: {', '.join(parts) or 'nothing differs'}."]
    if counts["newer"]:
        lines.append(f"{counts['newer']:,} newer there, and left as they are.")
    if counts["barred"]:
        lines.append(f"{counts['barred']:,} not taken, as they began before an end of all that was asked for there.")
    if counts["left"]:
        lines.append(f"{counts['left']:,} left behind, which ended more than {spell(keep_ended)} ago.")
    return "\n".join(lines)
