"""The option's value that is a duration, as people write one: 30m, 1h30m."""

from __future__ import annotations

from typing import Any

import click

from sojourn.admin.duration import parse_duration, relative, spell

__all__ = ["DURATION", "Duration", "parse_duration", "relative", "spell"]


class Duration(click.ParamType[float]):
    """An option's value like 30m, in seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """As click.ParamType.convert."""
        if isinstance(value, (int, float)):
            return value
        seconds = parse_duration(value)
        if seconds is None:
            self.fail(f"{value!r} is no duration. Write 45s, 30m, 12h, 14d or 1h30m.", param, ctx)
        return seconds


DURATION = Duration()
