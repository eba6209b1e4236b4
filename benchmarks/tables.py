"""A table in Markdown that reads as well in a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from .rounds import Spread

__all__ = ["NONE", "figure", "table", "with_quartiles"]

NONE = "–"


def figure(value: float | None, digits: int = 3) -> str:
    """A number to so many significant digits; a dash for none."""
    if value is None:
        return NONE
    if value and abs(value) < 10 ** (digits - 1):
        return f"{value:.{digits}g}"
    return f"{value:,.0f}"


def with_quartiles(spread: Spread | None) -> str:
    """The median, and the quartiles after it."""
    if spread is None:
        return NONE
    return f"{figure(spread.median)} ({figure(spread.low)}…{figure(spread.high)})"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The rows under their head, in columns: the first to the left, figures to the right."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    rule = [":" + "-" * (widths[0] - 1), *("-" * (width - 1) + ":" for width in widths[1:])]

    def line(cells: Sequence[str]) -> str:
        first, *others = zip(cells, widths, strict=True)
        return "| " + " | ".join([first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]) + " |"

    return "\n".join([line(head), line(rule), *(line(row) for row in rows)])
