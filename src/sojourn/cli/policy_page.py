"""The page that states a policy: each setting, where its number comes from, and where it departs from NIST. Pure.

As text for a person, as Markdown for ASVS 5.0 (7.1.1, 7.1.2), and as a document for JSON.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sojourn.admin.nist import AAL, Departure, departures
from sojourn.admin.policy_settings import departure_line, is_duration, settings, values
from sojourn.core.policy import Policy

from .duration import spell
from .terminal import fields

__all__ = ["document", "markdown", "text"]


def text(policy: Policy, aals: Sequence[AAL]) -> str:
    """The policy for a person, compared with NIST at each of `aals`."""
    rows = settings(policy)
    widest = max(len(setting.value) for setting in rows)
    lines = [fields([(name, f"{value:{widest}}  {source}") for name, value, source in rows])]
    for aal in aals:
        found = departures(policy, aal)
        lines.append(f"\nNIST SP 800-63B-4, AAL{aal}: " + ("departs" if found else "within it"))
        lines.extend(f"  {departure_line(departure)}" for departure in found)
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
    spelled = {name: _milliseconds(name, value) for name, value in values(policy).items()}
    remembered = {name: spelled.pop(f"remember.{name}", None) for name in ("idle_timeout", "absolute_timeout")}
    return {
        "policy": spelled | {"remember": remembered if policy.remember else None},
        "sources": {setting.name: setting.source for setting in settings(policy)},
        "departures": [
            departure._asdict()
            | {name: None if seconds is None else int(seconds * 1000) for name, seconds in _compared(departure)}
            for aal in aals
            for departure in departures(policy, aal)
        ],
    }


def _milliseconds(name: str, value: Any) -> Any:
    return int(value * 1000) if is_duration(name) and value is not None else value


def _compared(departure: Departure) -> list[tuple[str, float | None]]:
    return [("value", departure.value), ("limit", departure.limit)]


def _section(found: Sequence[Departure]) -> list[str]:
    if not found:
        return ["No departure."]
    rows = [f"| {departure_line(departure)} | _to be written_ |" for departure in found]
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
