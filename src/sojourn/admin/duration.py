"""Durations and moments as people write and read them: "30m", "12 h", "3 min ago". Pure."""

from __future__ import annotations

import re

__all__ = ["parse_duration", "relative", "spell"]

_UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_NAMES = {"d": "d", "h": "h", "m": "min", "s": "s"}
_SHAPE = re.compile(r"(?:\d{1,9}(?:\.\d{1,3})?[smhd])+", re.ASCII).fullmatch
_PART = re.compile(r"([\d.]+)([smhd])", re.ASCII).findall


def parse_duration(text: str) -> float | None:
    """The seconds that "45s", "30m", "1h30m" or "14d" mean; None for anything else."""
    if not _SHAPE(text):
        return None
    return sum(float(number) * _UNITS[unit] for number, unit in _PART(text))


def spell(seconds: float) -> str:
    """The duration in its two largest units: "30 min", "1 h 30 min". Days from two on: a day is "24 h", as in NIST."""
    if seconds < 1:
        return f"{seconds:g} s"
    parts, left = [], int(seconds)
    for unit, size in _UNITS.items():
        if unit == "d" and left < 2 * size:
            continue
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {_NAMES[unit]}")
    return " ".join(parts[:2])


def relative(at: int, now: int) -> str:
    """The moment `at` as seen from `now`, in its largest unit: "3 min ago", "in 27 min". Both in milliseconds."""
    distance = abs(at - now) / 1000
    if distance < 1:
        return "now"
    unit = next(unit for unit, size in _UNITS.items() if distance >= size)
    text = f"{int(distance // _UNITS[unit])} {_NAMES[unit]}"
    return f"in {text}" if at > now else f"{text} ago"
