"""A drawing: shapes and text as SVG on a card, in colours for a light page and for a dark one."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

__all__ = ["MARGIN", "WIDTH", "circle", "drawing", "line", "rectangle", "write"]

WIDTH = 860
MARGIN = 32

STYLE = """
  .card { fill: #ffffff; stroke: #d8dee6 }
  text { font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif; fill: #1b2430 }
  .title { font-size: 19px; font-weight: 600 }
  .note { font-size: 13px; fill: #5b6775 }
  .head { font-size: 13px; font-weight: 600; fill: #3b4654 }
  .label { font-size: 14px }
  .value { font-size: 13px; font-variant-numeric: tabular-nums }
  .ours { font-weight: 600 }
  .mark { fill: #9aa7b6 }
  .mark.ours { fill: #0b7a75 }
  .mark.bad { fill: #d0483e }
  .gone { fill: none; stroke: #c3ccd6; stroke-width: 1.2 }
  .spread { stroke: #1b2430; stroke-width: 1.4; opacity: .6 }
  .rule { stroke: #e3e8ee }
  @media (prefers-color-scheme: dark) {
    .card { fill: #12181f; stroke: #2b3642 }
    text { fill: #e7edf4 }
    .note { fill: #95a3b3 }
    .head { fill: #c2cdd9 }
    .mark { fill: #64758a }
    .mark.ours { fill: #2fc4b6 }
    .mark.bad { fill: #f0716a }
    .gone { stroke: #435161 }
    .spread { stroke: #e7edf4 }
    .rule { stroke: #26303b }
  }
"""


def drawing(height: float, title: str, note: str, shapes: Sequence[str]) -> str:
    """The whole file: a card with its title, a line of explanation, and the shapes below y = 84."""
    size = f'viewBox="0 0 {WIDTH} {height:g}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{escape(title)}">',
            f"<style>{STYLE}</style>",
            f'<rect class="card" x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1:g}" rx="12"/>',
            write(MARGIN, 44, "title", title),
            write(MARGIN, 67, "note", note),
            *shapes,
            "</svg>\n",
        ]
    )


def write(x: float, y: float, kind: str, text: str, anchor: str = "start") -> str:
    """A line of text on the base line `y`."""
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def rectangle(x: float, y: float, width: float, height: float, kind: str) -> str:
    """A bar with round corners."""
    return f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="3"/>'


def circle(x: float, y: float, radius: float, kind: str) -> str:
    """A dot around its middle."""
    return f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}"/>'


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    """A straight line."""
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'
