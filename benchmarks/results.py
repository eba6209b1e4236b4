"""Results: what one run found, and where a full run writes it down."""

from __future__ import annotations

from pathlib import Path

import msgspec

from . import overhead, races, scale
from .aims import Aim, judge_overhead, judge_races, judge_scale
from .charts import overhead_chart, races_chart
from .conditions import Conditions
from .tables import table

__all__ = ["Results", "put"]


class Results(msgspec.Struct):
    """One run. A benchmark that was not asked for has found nothing."""

    conditions: Conditions
    overhead: overhead.Overhead | None = None
    races: races.Races | None = None
    scale: scale.Scale | None = None

    def aims(self) -> list[Aim]:
        """Which of the aims were met, judged by the medians."""
        judged = judge_overhead(self.overhead) if self.overhead else []
        judged += judge_races(self.races) if self.races else []
        return judged + (judge_scale(self.scale) if self.scale else [])

    def sections(self) -> dict[str, str]:
        """What was found, in Markdown, by name."""
        found = {"conditions": str(self.conditions)}
        if self.overhead:
            found["overhead"] = overhead.report(self.overhead)
        if self.races:
            found["races"] = races.report(self.races)
        if self.scale:
            found["scale"] = scale.report(self.scale)
        rows = [[aim.wanted, aim.found, "met" if aim.met else "**missed**"] for aim in self.aims()]
        return found | {"aims": table(["Aim", "found", ""], rows)}

    def write(self, folder: Path) -> None:
        """Write results.json and the charts, and put the sections between their marks, here and on the front page."""
        encoded = msgspec.json.format(msgspec.json.encode(self), indent=1)
        (folder / "results.json").write_bytes(encoded + b"\n")
        page = folder / "README.md"
        page.write_text(put(page.read_text("utf-8"), self.sections()), "utf-8")
        front = folder.parent / "README.md"
        if self.overhead and front.exists():
            front.write_text(put(front.read_text("utf-8"), {"figures": overhead.summary(self.overhead)}), "utf-8")
        if self.overhead:
            (folder / "overhead.svg").write_text(overhead_chart(self.overhead), "utf-8")
        if self.races:
            (folder / "races.svg").write_text(races_chart(self.races), "utf-8")


def put(page: str, sections: dict[str, str]) -> str:
    """The page with each section between `<!-- name -->` and `<!-- /name -->` made anew."""
    for name, section in sections.items():
        before, begin, rest = page.partition(f"<!-- {name} -->\n")
        _, end, after = rest.partition(f"<!-- /{name} -->")
        assert begin and end, f"the page has no place for {name}"
        page = f"{before}{begin}{section}\n{end}{after}"
    return page
