"""Draws docs/wings.svg, who imports whom, from the import graph: `python -m scripts.wings`; --check only compares.

Floors are the layers of pyproject.toml, put together where nothing goes from one to the next. An arrow that a longer
way says already is left out, and so is what only a type checker imports.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from xml.sax.saxutils import escape

import grimp

__all__ = ["NOTES", "PICTURE", "WIDTH", "below", "floors", "imports", "lay_out", "picture", "shortest", "width"]

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs" / "wings.svg"

# What a wing is for, in no more words than its box holds.
NOTES = {
    "admin": "for operators",
    "adopt": "moving in",
    "audit": "who did what",
    "asgi": "any ASGI app",
    "browser": "its endpoints",
    "cli": "the program",
    "core": "decides: no I/O, no clock, no framework",
    "demo": "make run",
    "django": "its engine",
    "events": "for on_event",
    "exchange": "one request",
    "fastapi": "dependencies",
    "flask": "flask.session",
    "manager": "asks the store",
    "metrics": "Prometheus",
    "observed": "who watches",
    "remote": "over a service",
    "service": "sojourn serve",
    "stores": "keep records",
    "testing": "store contract",
    "torture": "races, faults",
    "doctor": "a live check",
    "traces": "OpenTelemetry",
    "wire": "what goes over it",
    "wsgi": "any WSGI app",
}
# The program's entry and the way in which packages load late: no wings.
ASIDE = ("__main__", "exports")
GROUND = "core"

WIDTH, MARGIN = 900.0, 24.0
BOX, HEIGHT, GAP, LANE, FLOOR = 115.0, 52.0, 12.0, 12.0, 98.0
LINE_OF_ROOMS = 100

STYLE = """\
  .card { fill: #ffffff; stroke: #d8dee6 }
  text { font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif; fill: #1b2430 }
  .name, .note, .rooms { text-anchor: middle }
  .name { font-size: 17px; font-weight: 600 }
  .note { font-size: 14px; fill: #4b5866 }
  .rooms { font-size: 14px; fill: #0b5f5b }
  .box { fill: #f4f6f9; stroke: #c3ccd6; stroke-width: 1.4 }
  .ground { fill: #e3f3f1; stroke: #0b7a75; stroke-width: 1.4 }
  .way { fill: none; stroke: #8696a6; stroke-width: 1.5 }
  .tip { fill: #8696a6 }
  @media (prefers-color-scheme: dark) {
    .card { fill: #12181f; stroke: #2b3642 }
    text { fill: #e7edf4 }
    .note { fill: #a7b4c2 }
    .rooms { fill: #9fe0da }
    .box { fill: #1a222c; stroke: #435161 }
    .ground { fill: #10302f; stroke: #2fc4b6 }
    .way { stroke: #6d7f93 }
    .tip { fill: #6d7f93 }
  }
"""

Ways = dict[str, set[str]]
Place = tuple[int, str]
"""A floor, and the wing that is on it, or what passes through it on the way to a wing: `>stores`."""


# What imports what


def imports() -> tuple[Ways, list[str]]:
    """Which wings each wing imports, and the rooms of the core."""
    graph = grimp.build_graph("sojourn", exclude_type_checking_imports=True, cache_dir=None)
    ways: Ways = {}
    for module in sorted(graph.modules):
        for other in graph.find_modules_directly_imported_by(module):
            here, there = _wing(module), _wing(other)
            if here and there and here != there:
                ways.setdefault(here, set()).add(there)
    rooms = sorted(name.rpartition(".")[2] for name in graph.find_children(f"sojourn.{GROUND}"))
    return ways, rooms


def _wing(module: str) -> str | None:
    name = module.partition(".")[2].partition(".")[0]
    return name if name and name not in ASIDE else None


def floors(ways: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """The layers, the lowest first, each put on the one below it where no way leads there."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    found: list[list[str]] = []
    for layer in reversed(layers):
        names = [name for name in re.findall(r"\w+", layer) if name not in ASIDE]
        if found and not any(set(ways.get(name, ())) & set(found[-1]) for name in names):
            found[-1] += names
        elif names:
            found.append(names)
    level = {name: at for at, names in enumerate(found) for name in names}
    upward = [(here, there) for here in ways for there in ways[here] if level.get(there, 0) >= level.get(here, 0)]
    if upward or level.keys() != NOTES.keys():
        odd = sorted(level.keys() ^ NOTES.keys())
        raise SystemExit(
            f"Not downward: {upward}. Without a layer in pyproject.toml or a note in scripts/wings.py: {odd}."
        )
    return found


def shortest(ways: Ways) -> Ways:
    """Without each way that another one, through more wings, says too."""
    return {
        here: {there for there in theirs if not any(there in below(ways, other) for other in theirs - {there})}
        for here, theirs in ways.items()
    }


def below(ways: Ways, wing: str) -> set[str]:
    """All that a wing imports, by whatever way."""
    near = ways.get(wing, set())
    return near.union(*(below(ways, other) for other in near))


# Where everything stands


def lay_out(ways: Ways, levels: Sequence[Sequence[str]]) -> tuple[dict[Place, float], dict[str, list[Place]]]:
    """The middle of each place, and the places that each way passes from its wing down to the other."""
    floor = {wing: at for at, level in enumerate(levels) for wing in level}
    rows: list[list[Place]] = [[(at, wing) for wing in sorted(level)] for at, level in enumerate(levels)]
    paths: dict[str, list[Place]] = {}
    for here in sorted(ways):
        for there in sorted(ways[here]):
            # All who go to one wing go together; to the ground one may go down anywhere.
            lane = f"{here}>" if there == GROUND else f">{there}"
            between: list[Place] = [(at, lane) for at in range(floor[here] - 1, floor[there], -1)]
            for place in between:
                if place not in rows[place[0]]:
                    rows[place[0]].append(place)
            paths[f"{here}>{there}"] = [(floor[here], here), *between, (floor[there], there)]
    near: dict[Place, list[Place]] = {}
    for path in paths.values():
        for one, other in pairwise(path):
            if other[1] != GROUND:
                near.setdefault(one, []).append(other)
                near.setdefault(other, []).append(one)
    return _stand(rows, near), paths


def _stand(rows: list[list[Place]], near: Mapping[Place, list[Place]]) -> dict[Place, float]:
    """Each place as near as may be to those that it is joined with: first the order in a row, then the distances."""
    middle = {place: WIDTH * (at + 0.5) / len(row) for row in rows for at, place in enumerate(row)}
    for sweep in range(24):
        for row in rows if sweep % 2 else reversed(rows):
            wanted = {place: _mean([middle[other] for other in near.get(place, [place])]) for place in row}
            if sweep < 16:
                row.sort(key=lambda place: (wanted[place], place))
            middle |= _spaced(row, wanted)
    return middle


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _spaced(row: Sequence[Place], wanted: Mapping[Place, float]) -> dict[Place, float]:
    """The middles that are nearest to the wanted ones, in this order, with room between: those that meet are pooled."""
    reach = [0.0]
    for one, other in pairwise(row):
        reach.append(reach[-1] + (width(one) + width(other)) / 2 + GAP)
    low = MARGIN + width(row[0]) / 2
    high = WIDTH - MARGIN - width(row[-1]) / 2 - reach[-1]
    pools: list[list[float]] = []
    for place, offset in zip(row, reach, strict=True):
        pools.append([wanted[place] - offset])
        while len(pools) > 1 and _mean(pools[-2]) >= _mean(pools[-1]):
            pools[-2:] = [pools[-2] + pools[-1]]
    left = [min(max(_mean(pool), low), high) for pool in pools for _ in pool]
    return {place: at + offset for place, at, offset in zip(row, left, reach, strict=True)}


def width(place: Place) -> float:
    """How much room a place takes: a box, or the lane of a way."""
    return LANE if ">" in place[1] else BOX


# The picture


def picture() -> str:
    """The whole of it, as SVG."""
    ways, rooms = imports()
    levels = floors(ways)
    direct = shortest(ways)
    middle, paths = lay_out(direct, levels)
    lines = _lines(rooms)
    ground = HEIGHT + 14 + 21 * len(lines)
    height = MARGIN * 2 + FLOOR * (len(levels) - 1) + ground
    told = ". ".join(f"{wing} imports {', '.join(sorted(direct[wing]))}" for wing in sorted(direct))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:g} {height:g}" role="img" aria-labelledby="t d">',
        f'<title id="t">The wings of sojourn, and who imports whom</title>\n<desc id="d">{escape(told)}.</desc>',
        f"<style>\n{STYLE}</style>",
        f'<rect class="card" x=".5" y=".5" width="{WIDTH - 1:g}" height="{height - 1:g}" rx="12"/>',
    ]
    for path in paths.values():
        parts.append(_way([(middle[place], _top(place[0], len(levels))) for place in path], path[-1][1] == GROUND))
    for (at, wing), x in sorted(middle.items()):
        if ">" not in wing and wing != GROUND:
            y = _top(at, len(levels))
            parts.append(_box(wing, x - BOX / 2, y, BOX, HEIGHT, "box"))
    y = _top(0, len(levels))
    parts.append(_box(GROUND, MARGIN, y, WIDTH - 2 * MARGIN, ground, "ground"))
    for number, line in enumerate(lines, 1):
        parts.append(f'<text class="rooms" x="{WIDTH / 2:g}" y="{y + 48 + 21 * number:g}">{line}</text>')
    return "\n".join([*parts, "</svg>\n"])


def _top(floor: int, count: int) -> float:
    return MARGIN + FLOOR * (count - 1 - floor)


def _lines(rooms: Sequence[str]) -> list[str]:
    lines = [""]
    for room in rooms:
        if len(lines[-1]) + len(room) > LINE_OF_ROOMS:
            lines.append("")
        lines[-1] += f" · {room}" if lines[-1] else room
    return lines


def _box(wing: str, x: float, y: float, width: float, height: float, kind: str) -> str:
    middle = f"{x + width / 2:.1f}"
    return (
        f'<rect class="{kind}" x="{x:.1f}" y="{y:g}" width="{width:g}" height="{height:g}" rx="9"/>'
        f'<text class="name" x="{middle}" y="{y + 22:g}">{wing}</text>'
        f'<text class="note" x="{middle}" y="{y + 41:g}">{escape(NOTES[wing])}</text>'
    )


def _way(points: Sequence[tuple[float, float]], to_ground: bool) -> str:
    """A line from the foot of the first place to the head of the last, and its tip."""
    x, y = points[0][0], points[0][1] + HEIGHT
    drawn = f"M{x:.1f} {y:g}"
    for number, (over, top) in enumerate(points[1:], 1):
        last = number == len(points) - 1
        to_x, to_y = (x if last and to_ground else over), top - (6 if last else 0)
        bend = (to_y - y) / 2
        drawn += f"C{x:.1f} {y + bend:g} {to_x:.1f} {to_y - bend:g} {to_x:.1f} {to_y:g}"
        if not last:
            drawn += f"V{top + HEIGHT:g}"
        x, y = to_x, top + HEIGHT
    tip = points[-1][1]
    return f'<path class="way" d="{drawn}"/><path class="tip" d="M{x - 4.5:.1f} {tip - 8:g}h9l-4.5 8z"/>'


def main(arguments: list[str]) -> int:
    """Draw it, or compare."""
    drawn = picture()
    if arguments != ["--check"]:
        PICTURE.write_text(drawn, "utf-8")
    elif not PICTURE.exists() or PICTURE.read_text("utf-8") != drawn:
        sys.stderr.write("docs/wings.svg is not what the imports say: run `make pages`, and commit it.\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
