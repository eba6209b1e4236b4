"""The page that states a policy: each setting, where its number comes from, and where it departs from NIST. Pure.

As text for a person, as Markdown for ASVS 5.0 (7.1.1, 7.1.2), and as a document for JSON.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sojourn.core.policy import Policy

from .duration import spell
from .nist import AAL, Departure, departures
from .terminal import fields

__all__ = ["SOURCES", "Setting", "document", "markdown", "settings", "text"]

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
    mine, defaults = _values(policy), _values(Policy())
    if policy.touch_interval is None:
        # It follows the idle timeout, and stays the default whatever that is.
        defaults["touch_interval"] = mine["touch_interval"]
    rows = [
        Setting(name, _spell(name, value), SOURCES[name] if value == defaults.get(name) else _stated(name, value))
        for name, value in mine.items()
    ]
    return rows if policy.remember else [*rows, Setting("remember", "none", "stated here")]


def text(policy: Policy, aals: Sequence[AAL]) -> str:
    """The policy for a person, compared with NIST at each of `aals`."""
    rows = settings(policy)
    widest = max(len(setting.value) for setting in rows)
    lines = [fields([(name, f"{value:{widest}}  {source}") for name, value, source in rows])]
    for aal in aals:
        found = departures(policy, aal)
        lines.append(f"\nNIST SP 800-63B-4, AAL{aal}: " + ("departs" if found else "within it"))
        lines.extend(f"  {_departure_line(departure)}" for departure in found)
    return "\n".join(lines)


def markdown(policy: Policy, aals: Sequence[AAL]) -> str:
    """The document that ASVS asks for, with a place to justify each departure."""
    lines = [
        "# Session policy",
        "",
        "Written by `sojourn policy --markdown`, for OWASP ASVS 5.0, 7.1.1 and 7.1.2.",
        "",
        "| Setting | Value | Source |",
        "|---|---|---|",
        *[f"| `{name}` | {value} | {source} |" for name, value, source in settings(policy)],
        "",
        "Both timeouts are enforced on the server: a session ends without activity for `idle_timeout`, and in any case",
        "`absolute_timeout` after it began; a log-in begins a new one. " + _remembered(policy),
        "",
        "## Parallel sessions",
        "",
        _parallel(policy),
    ]
    for aal in aals:
        lines += ["", f"## NIST SP 800-63B-4, AAL{aal}", "", *_section(departures(policy, aal))]
    return "\n".join(lines)


def document(policy: Policy, aals: Sequence[AAL]) -> dict[str, Any]:
    """The policy for JSON; durations in milliseconds."""
    values = {name: _milliseconds(name, value) for name, value in _values(policy).items()}
    remembered = {name: values.pop(f"remember.{name}", None) for name in ("idle_timeout", "absolute_timeout")}
    return {
        "policy": values | {"remember": remembered if policy.remember else None},
        "sources": {setting.name: setting.source for setting in settings(policy)},
        "departures": [
            departure._asdict()
            | {name: None if seconds is None else int(seconds * 1000) for name, seconds in _compared(departure)}
            for aal in aals
            for departure in departures(policy, aal)
        ],
    }


def _values(policy: Policy) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name in SOURCES:
        if not name.startswith("remember."):
            values[name] = getattr(policy, name)
        elif policy.remember is not None:
            values[name] = getattr(policy.remember, name.partition(".")[2])
    values["touch_interval"] = policy.touch_ms / 1000
    return values


def _spell(name: str, value: Any) -> str:
    if value is None:
        return "none" if name == "max_sessions" else "never"
    if _is_duration(name):
        return spell(value)
    return f"{value:,} bytes" if name == "max_bytes" else str(value)


def _stated(name: str, value: Any) -> str:
    seconds, spelled = _OWASP_LONGEST.get(name, (None, ""))
    longer = seconds is not None and value > seconds
    return "stated here" + (f"; longer than OWASP's {spelled}" if longer else "")


def _milliseconds(name: str, value: Any) -> Any:
    return int(value * 1000) if _is_duration(name) and value is not None else value


def _is_duration(name: str) -> bool:
    return name.removeprefix("remember.") in _DURATIONS


def _compared(departure: Departure) -> list[tuple[str, float | None]]:
    return [("value", departure.value), ("limit", departure.limit)]


def _departure_line(departure: Departure) -> str:
    if departure.value is None or departure.limit is None:
        return (
            f"remember: the cookie outlives the browser; a bearer secret {departure.word} ({departure.section}). "
            "This is so for remembered log-ins only."
        )
    return (
        f"{departure.setting}: {spell(departure.value)}; {departure.word} be no more than {spell(departure.limit)} "
        f"({departure.section})"
    )


def _section(found: Sequence[Departure]) -> list[str]:
    if not found:
        return ["No departure."]
    rows = [f"| {_departure_line(departure)} | _to be written_ |" for departure in found]
    return ["| Departure | Justification |", "|---|---|", *rows]


def _remembered(policy: Policy) -> str:
    if policy.remember is None:
        return "Nobody is remembered beyond it."
    idle, absolute = spell(policy.remember.idle_timeout), spell(policy.remember.absolute_timeout)
    return f"Who chose to be remembered has {idle} and {absolute} instead."


def _parallel(policy: Policy) -> str:
    if policy.max_sessions is None:
        return "A user may have any number of sessions at once."
    then = "the oldest one ends" if policy.on_limit == "end_oldest" else "a further log-in is refused"
    return f"A user may have {policy.max_sessions} sessions at once; at the limit {then}."
