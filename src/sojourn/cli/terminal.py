"""The terminal: text made safe for it, aligned columns, a live line, and JSON for scripts.

A user agent, a user's name and session data come from strangers: nothing of them may steer a terminal.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import unicodedata
from collections.abc import Callable, Sequence
from typing import Any

import click

__all__ = ["colour", "columns", "echo_json", "fields", "is_terminal", "live_line", "safe", "table", "width"]

# Control characters (C0, C1), and those that reorder or hide text.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]")
_GAP = "  "


def safe(text: str) -> str:
    """`text` with every character that could steer a terminal written out as an escape."""
    return _UNSAFE.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def is_terminal() -> bool:
    """Whether a person is reading the output."""
    return sys.stdout.isatty()


def colour() -> bool | None:
    """False where the environment asks for none (https://no-color.org); None leaves it to click: terminals only."""
    return False if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" else None


def columns() -> int | None:
    """How wide the terminal is; None where the output goes elsewhere and need not fit."""
    return shutil.get_terminal_size().columns if is_terminal() else None


def width(text: str) -> int:
    """The cells that `text` takes: none for combining marks, two for East Asian wide characters."""
    return sum(
        0 if unicodedata.combining(letter) else 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        for letter in text
    )


def table(header: Sequence[str], rows: Sequence[Sequence[str]], *, faint: Sequence[bool], fit: int | None) -> str:
    """Aligned columns under a header; `faint` rows are dimmed, and lines longer than `fit` cells are cut."""
    safe_rows = [[safe(cell) for cell in row] for row in rows]
    widths = [max(width(cell) for cell in column) for column in zip(header, *safe_rows, strict=True)]
    lines = [click.style(_line(header, widths, fit), bold=True)]
    for row, is_faint in zip(safe_rows, faint, strict=True):
        lines.append(click.style(_line(row, widths, fit), dim=True) if is_faint else _line(row, widths, fit))
    return "\n".join(lines)


def fields(pairs: Sequence[tuple[str, str]]) -> str:
    """Names and values under one another, the values aligned."""
    widest = max(width(name) for name, _ in pairs)
    return "\n".join(
        click.style(name + " " * (widest - width(name)), bold=True) + _GAP + safe(value) for name, value in pairs
    )


def live_line(*, wanted: bool) -> Callable[[str], None] | None:
    """Something that shows a text in one place, or None unless a person is looking. An empty text clears it."""
    if not (wanted and is_terminal() and sys.stderr.isatty()):
        return None
    shown = 0

    def show(text: str) -> None:
        nonlocal shown
        # Blanks rather than an escape sequence: they clear the line in any terminal.
        sys.stderr.write("\r" + text + " " * (shown - len(text)) + ("" if text else "\r"))
        sys.stderr.flush()
        shown = len(text)

    return show


def echo_json(document: Any) -> None:
    """Print one JSON document: ASCII, so that it is safe in every terminal and encoding."""
    click.echo(json.dumps(document, indent=2 if is_terminal() else None))


def _line(row: Sequence[str], widths: Sequence[int], fit: int | None) -> str:
    line = _GAP.join(cell + " " * (wide - width(cell)) for cell, wide in zip(row, widths, strict=True)).rstrip()
    if fit is None or width(line) <= fit:
        return line
    while width(line) >= fit:
        line = line[:-1]
    return line + "…"
