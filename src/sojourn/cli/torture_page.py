"""What `sojourn torture` shows: a heading, a row for each race as it ends, and a verdict; or a document for JSON."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import click
import msgspec

from sojourn.torture import Result

from .terminal import columns, safe

__all__ = ["document", "heading", "row", "verdict"]

WIDTH = 100
_INDENT = "    "
_COLOURS = {"ok": "green", "lost": "red", "error": "red"}
_NAME, _NUMBER, _VERDICT, _TIME = 16, 9, 9, 8


def heading() -> str:
    """The names of the columns."""
    cells = ["RACE".ljust(_NAME), "TRIES".rjust(_NUMBER), "LOST".rjust(_NUMBER), "  ", "VERDICT".ljust(_VERDICT)]
    return click.style("".join(cells) + "TIME".rjust(_TIME), bold=True)


def row(result: Result) -> str:
    """One race, and under it what there is to say of it."""
    tally, judgement = result.tally, result.verdict
    word = click.style(judgement.upper() if judgement != "ok" else "ok", fg=_COLOURS[judgement], bold=judgement != "ok")
    seconds = f"{result.seconds:,.1f} s" if result.seconds else ""
    line = (
        f"{result.name:{_NAME}}{tally.tries:>{_NUMBER},}{tally.lost:>{_NUMBER},}  {word}"
        + " " * (_VERDICT - len(judgement))
        + f"{seconds:>{_TIME}}"
    )
    notes = [tally.note]
    if judgement == "lost":
        notes.insert(0, f"{tally.lost:,} of {tally.tries:,}: {result.lost_means}")
    if judgement == "error":
        notes.insert(0, f"It came to no end: {result.error}")
    return "\n".join([line.rstrip(), *[click.style(_note(note), dim=judgement == "ok") for note in notes if note]])


def verdict(results: Sequence[Result]) -> str:
    """The last line."""
    tries = sum(result.tally.tries for result in results)
    lost = [result.name for result in results if result.verdict == "lost"]
    broken = [result.name for result in results if result.verdict == "error"]
    if not lost and not broken:
        races = "race" if len(results) == 1 else "races"
        return click.style(f"Nothing was lost: {tries:,} tries in {len(results)} {races}.", fg="green")
    parts = []
    if lost:
        parts.append(f"Lost in {', '.join(lost)}.")
    if broken:
        parts.append(f"No end in {', '.join(broken)}.")
    return click.style(" ".join(parts), fg="red", bold=True)


def document(result: Result) -> dict[str, Any]:
    """A race for JSON."""
    return {
        "name": result.name,
        "verdict": result.verdict,
        **msgspec.to_builtins(result.tally),
        "duration": int(result.seconds * 1000),
        "lost_means": result.lost_means,
        "error": result.error or None,
    }


def _note(text: str) -> str:
    return textwrap.fill(safe(text), columns() or WIDTH, initial_indent=_INDENT, subsequent_indent=_INDENT)
