"""Charts: what a run found, drawn."""

from __future__ import annotations

from collections.abc import Sequence

from .overhead import BIG, TITLES, Cost, Kind, Overhead
from .peers import BARE, OURS
from .races import Race, Races
from .svg import MARGIN, WIDTH, circle, drawing, line, rectangle, write
from .tables import figure

__all__ = ["overhead_chart", "races_chart"]

LABELS = 226  # where a peer's name ends and its bar begins
BAR = 32
DOTS_IN_LINE, DOT = 10, 14


def overhead_chart(found: Overhead) -> str:
    """Bars: the µs that each layer adds to a request, a panel for each kind of request."""
    shapes, top = [], 108.0
    kinds: tuple[Kind, ...] = ("read", "change")
    for kind in kinds:
        costs = [cost for cost in found.costs if (cost.session, cost.kind) == (BIG, kind) and cost.peer != BARE.name]
        shapes.append(write(MARGIN, top, "head", TITLES[kind]))
        shapes += _bars(costs, top + 12)
        top += 12 + BAR * len(costs) + 40
    shapes.append(write(MARGIN, top - 8, "note", "Bars are medians of the rounds; thin lines span the middle half."))
    note = "µs beyond the same Starlette application without sessions. Less is better; each panel has its own scale."
    return drawing(top + 16, "What a session layer adds to one request", note, shapes)


def _bars(costs: Sequence[Cost], top: float) -> list[str]:
    scale = (WIDTH - LABELS - MARGIN - 60) / max(cost.added.high for cost in costs)
    shapes = [line(LABELS, top, LABELS, top + BAR * len(costs), "rule")]
    for row, cost in enumerate(costs):
        y, added, ours = top + BAR * row, cost.added, " ours" if cost.peer in OURS else ""
        shapes += [
            write(LABELS - 12, y + 21, "label" + ours, cost.peer, "end"),
            rectangle(LABELS, y + 6, added.median * scale, 20, "mark" + ours),
            line(LABELS + added.low * scale, y + 16, LABELS + added.high * scale, y + 16, "spread"),
            write(LABELS + added.high * scale + 10, y + 21, "value" + ours, figure(added.median)),
        ]
    return shapes


def races_chart(found: Races) -> str:
    """Dots: each parallel write that was kept or lost, each logout that held or did not."""
    columns = (LABELS, LABELS + 206, LABELS + 412)
    heads = (
        f"{found.size.requests} parallel requests,",
        f"{found.size.requests} parallel requests,",
        f"{found.size.logouts} logouts while a slow",
    )
    more = ("each sets its own key", "each appends to one list", "request writes")
    shapes = [write(x, 108, "head", text) for x, text in zip(columns, heads, strict=True)]
    shapes += [write(x, 125, "head", text) for x, text in zip(columns, more, strict=True)]
    top = 142.0
    height = DOT * -(-found.size.requests // DOTS_IN_LINE) + 24
    for race in found.races:
        shapes.append(line(MARGIN, top, WIDTH - MARGIN, top, "rule"))
        shapes += _scores(race, found, columns, top + 14)
        top += height + 14
    note = "Filled: kept. Hollow: lost without an error. Red: the old cookie opens the session again after the logout."
    return drawing(top + 8, "Parallel requests of one browser", note, shapes)


def _scores(race: Race, found: Races, columns: Sequence[float], top: float) -> list[str]:
    ours = " ours" if race.peer in OURS else ""
    requests, logouts, alive = found.size.requests, found.size.logouts, race.alive_after_slow_write
    keys, items = min(race.keys), min(race.items)
    return [
        write(LABELS - 24, top + 42, "label" + ours, race.peer, "end"),
        *_dots(columns[0], top, ["mark" + ours] * keys + ["gone"] * (requests - keys)),
        write(columns[0] + DOT * DOTS_IN_LINE + 6, top + 42, "value" + ours, str(keys)),
        *_dots(columns[1], top, ["mark" + ours] * items + ["gone"] * (requests - items)),
        write(columns[1] + DOT * DOTS_IN_LINE + 6, top + 42, "value" + ours, str(items)),
        *_dots(columns[2], top, ["mark bad"] * alive + ["mark" + ours] * (logouts - alive)),
        write(columns[2], top + 54, "value" + ours, f"{logouts - alive} of {logouts} final"),
    ]


def _dots(left: float, top: float, kinds: Sequence[str]) -> list[str]:
    return [
        circle(left + DOT / 2 + DOT * (n % DOTS_IN_LINE), top + DOT / 2 + DOT * (n // DOTS_IN_LINE), 4.8, kind)
        for n, kind in enumerate(kinds)
    ]
