"""What a policy is set to: each setting spelled, where its number comes from, and its departures in words. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from sojourn.core.policy import Policy

from .duration import spell
from .nist import Departure

__all__ = ["SOURCES", "Setting", "departure_line", "is_duration", "settings", "values"]

# Where each default comes from, by its name in Policy; remember's two have a line each.
SOURCES: Mapping[str, str] = {
    "idle_timeout": "OWASP: 15-30 min for ordinary risk, 2-5 min for high",
    "absolute_timeout": "our default: a long working day, NIST's most at AAL3; OWASP's is 4-8 h",
    "remember.idle_timeout": "our default: somebody who comes every other week stays",
    "remember.absolute_timeout": "NIST: 30 d, the most at AAL1",
    "touch_interval": "our default: a tenth of idle_timeout, 1 min at most",
    "rotate_interval": "our default; OWASP's renewal timeout, which names no number",
    "rotate_grace": "our default: the slowest honest request",
    "max_sessions": "our default: more than anybody's devices; ASVS 7.1.2 asks you to choose",
    "on_limit": "our default",
    "on_conflict": "our default",
    "keep_ended": "our default: a browser that comes back within it is told why",
    "keep_client": "our default: people know their own devices by it",
    "max_bytes": "our default",
    "binding": "our default; docs/binding.md",
}

_DURATIONS = {"idle_timeout", "absolute_timeout", "touch_interval", "rotate_interval", "rotate_grace", "keep_ended"}
_OWASP_LONGEST = {"idle_timeout": (30 * 60, "30 min"), "absolute_timeout": (8 * 3600, "8 h")}


class Setting(NamedTuple):
    """One setting of a policy, spelled, with where its value comes from."""

    name: str
    value: str
    source: str


def settings(policy: Policy) -> list[Setting]:
    """Every setting of `policy`; one that is not the default is "stated here"."""
    mine, defaults = values(policy), values(Policy())
    if policy.touch_interval is None:
        # It follows the idle timeout, and stays the default whatever that is.
        defaults["touch_interval"] = mine["touch_interval"]
    rows = [
        Setting(name, _spell(name, value), SOURCES[name] if value == defaults.get(name) else _stated(name, value))
        for name, value in mine.items()
    ]
    return rows if policy.remember else [*rows, Setting("remember", "none", "stated here")]


def values(policy: Policy) -> dict[str, Any]:
    """Each setting as it is, by its name; remember's two by theirs."""
    found: dict[str, Any] = {}
    for name in SOURCES:
        if not name.startswith("remember."):
            found[name] = getattr(policy, name)
        elif policy.remember is not None:
            found[name] = getattr(policy.remember, name.partition(".")[2])
    found["touch_interval"] = policy.touch_ms / 1000
    return found


def _spell(name: str, value: Any) -> str:
    if value is None:
        return "none" if name == "max_sessions" else "never"
    if is_duration(name):
        return spell(value)
    return f"{value:,} bytes" if name == "max_bytes" else str(value)


def _stated(name: str, value: Any) -> str:
    seconds, spelled = _OWASP_LONGEST.get(name, (None, ""))
    longer = seconds is not None and value > seconds
    return "stated here" + (f"; longer than OWASP's {spelled}" if longer else "")


def is_duration(name: str) -> bool:
    """Whether the setting is one of seconds."""
    return name.removeprefix("remember.") in _DURATIONS


def departure_line(departure: Departure) -> str:
    """A departure in a sentence."""
    if departure.value is None or departure.limit is None:
        return (
            f"remember: the cookie outlives the browser; a bearer secret {departure.word} ({departure.section}). "
            "This is so for remembered log-ins only."
        )
    return (
        f"{departure.setting}: {spell(departure.value)}; {departure.word} be no more than {spell(departure.limit)} "
        f"({departure.section})"
    )
