"""Charts: log-ins and ends over a stretch of time, as bars in SVG, and the same as a table. Pure."""

from __future__ import annotations

from datetime import UTC, datetime

from .census import HOUR, SessionCounts, Span
from .markup import Markup, element

__all__ = ["chart"]

HEIGHT = 100.0
SLOT, BAR = 20.0, 8.0


def chart(counts: SessionCounts, span: Span) -> Markup:
    """The figure of one span."""
    logins, ends = counts.logins[span], counts.ends[span]
    most = max(1, *logins, *ends)
    told = (
        f"The last {span.name}: {sum(logins):,} log-ins and {sum(ends):,} ends; "
        f"at most {max(logins):,} and {max(ends):,} in {spelled(span)}."
    )
    bars = [
        _bar(n * SLOT + 2 + side * (BAR + 0.5), number / most, name)
        for n in range(span.bars)
        for side, (name, number) in enumerate((("logins", logins[n]), ("ends", ends[n])))
        if number
    ]
    picture = element(
        "svg",
        element("line", x1=0, x2=int(span.bars * SLOT), y1=int(HEIGHT), y2=int(HEIGHT), class_="ground"),
        bars,
        viewBox=f"0 0 {span.bars * SLOT:g} {HEIGHT:g}",
        preserveAspectRatio="none",
        role="img",
        aria_label=told,
    )
    return element(
        "figure",
        element("figcaption", f"The last {span.name}"),
        element("p", element("span", f"{most:,}"), element("span", f"in {spelled(span)}"), class_="most"),
        picture,
        element("p", *[element("span", text) for text in _axis(span)], class_="axis"),
        _as_table(counts, span),
    )


def spelled(span: Span) -> str:
    """How long a bar is."""
    return "5 minutes" if span is HOUR else "an hour"


def _bar(x: float, share: float, name: str) -> Markup:
    # What is there is seen, however little it is.
    height = max(1.5, share * (HEIGHT - 4))
    return element(
        "rect", x=f"{x:g}", y=f"{HEIGHT - height:.1f}", width=f"{BAR:g}", height=f"{height:.1f}", class_=name
    )


def _axis(span: Span) -> tuple[str, str, str]:
    return ("60 min ago", "30 min ago", "now") if span is HOUR else ("24 h ago", "12 h ago", "now")


def _as_table(counts: SessionCounts, span: Span) -> Markup:
    def began(n: int) -> str:
        at = counts.now - (span.bars - n) * span.width
        return datetime.fromtimestamp(at / 1000, UTC).strftime("%H:%M")

    rows = [
        element("tr", element("th", began(n), scope="row"), element("td", f"{one:,}"), element("td", f"{other:,}"))
        for n, (one, other) in enumerate(zip(counts.logins[span], counts.ends[span], strict=True))
    ]
    head = element("tr", [element("th", name, scope="col") for name in ("From (UTC)", "Log-ins", "Ends")])
    return element(
        "details",
        element("summary", f"The last {span.name} as a table"),
        element("table", element("thead", head), element("tbody", rows), class_="numbers"),
    )
