"""What a scrape tells: each series as Prometheus would have it, by its whole name."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client.parser import text_string_to_metric_families

__all__ = ["series"]


def series(text: str) -> Mapping[str, float]:
    """The values, by names like `sojourn_ends_total{reason="logout"}`; without the instants of their beginning."""
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
            if not sample.name.endswith("_created"):
                found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found
