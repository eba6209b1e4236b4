"""Results: what one run found, and where a full run writes it down."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from . import (
    admin,
    bound,
    contention,
    django_cost,
    edge,
    flask_cost,
    framework_cost,
    lifecycle,
    live,
    million,
    network,
    overhead,
    postgres_writes,
    races,
    revocation,
    scale,
    service,
    together,
    weight,
)
from .aims import (
    Aim,
    judge_admin,
    judge_bound,
    judge_django,
    judge_flask,
    judge_overhead,
    judge_races,
    judge_scale,
    judge_weight,
)
from .charts import overhead_chart, races_chart
from .conditions import Conditions
from .server_aims import (
    judge_contention,
    judge_live,
    judge_network,
    judge_postgres_writes,
    judge_revocation,
    judge_service,
    judge_together,
)
from .tables import table

__all__ = ["PARTS", "Part", "Results", "Sizes", "put"]


class Part(NamedTuple):
    """One benchmark: how it is made, reported in Markdown, and judged."""

    measure: Callable[[Any], Any]
    report: Callable[[Any], str]
    judge: Callable[[Any], list[Aim]] = lambda _: []


PARTS: Mapping[str, Part] = {
    "overhead": Part(overhead.measure, overhead.report, judge_overhead),
    "lifecycle": Part(lifecycle.measure, lifecycle.report),
    "races": Part(races.measure, races.report, judge_races),
    "scale": Part(scale.measure, scale.report, judge_scale),
    "network": Part(network.measure, network.report, judge_network),
    "contention": Part(contention.measure, contention.report, judge_contention),
    "million": Part(million.measure, million.report),
    "admin": Part(admin.measure, admin.report, judge_admin),
    "revocation": Part(revocation.measure, revocation.report, judge_revocation),
    "live": Part(live.measure, live.report, judge_live),
    "postgres": Part(postgres_writes.measure, postgres_writes.report, judge_postgres_writes),
    "service": Part(service.measure, service.report, judge_service),
    "edge": Part(edge.measure, edge.report),
    "bound": Part(bound.measure, bound.report, judge_bound),
    "together": Part(together.measure, together.report, judge_together),
    "weight": Part(weight.measure, weight.report, judge_weight),
    "flask": Part(flask_cost.measure, framework_cost.report, judge_flask),
    "django": Part(django_cost.measure, framework_cost.report, judge_django),
}


class Sizes(NamedTuple):
    """How much of each benchmark."""

    overhead: overhead.Size
    lifecycle: lifecycle.Size
    races: races.Size
    scale: scale.Size
    network: network.Size
    contention: contention.Size
    million: million.Size
    admin: admin.Size
    revocation: revocation.Size
    live: live.Size
    postgres: postgres_writes.Size
    service: service.Size
    edge: edge.Size
    bound: bound.Size
    together: together.Size
    weight: weight.Size
    flask: framework_cost.Size
    django: framework_cost.Size


class Results(msgspec.Struct):
    """One run. A benchmark that was not asked for has found nothing."""

    conditions: Conditions
    overhead: overhead.Overhead | None = None
    lifecycle: lifecycle.Lifecycle | None = None
    races: races.Races | None = None
    scale: scale.Scale | None = None
    network: network.Network | None = None
    contention: contention.Contention | None = None
    million: million.Million | None = None
    admin: admin.Admin | None = None
    revocation: revocation.Revocation | None = None
    live: live.Live | None = None
    postgres: postgres_writes.PostgresWrites | None = None
    service: service.Service | None = None
    edge: edge.Edge | None = None
    bound: bound.Bound | None = None
    together: together.Together | None = None
    weight: weight.Weight | None = None
    flask: framework_cost.FrameworkCost | None = None
    django: framework_cost.FrameworkCost | None = None

    def aims(self) -> list[Aim]:
        """Which of the aims were met, judged by the medians."""
        return [aim for name, found in self._found().items() for aim in PARTS[name].judge(found)]

    def sections(self) -> dict[str, str]:
        """What was found, in Markdown, by name."""
        reports = {name: PARTS[name].report(found) for name, found in self._found().items()}
        rows = [[aim.wanted, aim.found, "met" if aim.met else "**missed**"] for aim in self.aims()]
        return {"conditions": str(self.conditions)} | reports | {"aims": table(["Aim", "found", ""], rows)}

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

    def _found(self) -> dict[str, Any]:
        found = {name: getattr(self, name) for name in PARTS}
        return {name: each for name, each in found.items() if each is not None}


def put(page: str, sections: dict[str, str]) -> str:
    """The page with each section between `<!-- name -->` and `<!-- /name -->` made anew."""
    for name, section in sections.items():
        before, begin, rest = page.partition(f"<!-- {name} -->\n")
        _, end, after = rest.partition(f"<!-- /{name} -->")
        assert begin and end, f"the page has no place for {name}"
        page = f"{before}{begin}{section}\n{end}{after}"
    return page
