"""Finding: one thing that the doctor found, could not tell, did not try, or tried and found good."""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

__all__ = ["SEVERITIES", "Finding", "Severity"]

Severity = Literal["high", "medium", "low", "broken off", "cannot tell", "not tried", "good"]
SEVERITIES: tuple[Severity, ...] = get_args(Severity)
"""What is to be read first comes first."""


class Finding(NamedTuple):
    """What was `sent` and what `came`, without any cookie's value. `asvs`: its number in OWASP ASVS 5.0.

    `broken off`: the application ceased to answer as before, or the time was over.
    """

    check: str
    severity: Severity
    sent: str
    came: str
    asvs: str
    mend: str

    @property
    def is_certain(self) -> bool:
        """Whether something is wrong for sure."""
        return self.severity in ("high", "medium", "low")
