"""Finding: one thing that the doctor found, could not tell, or did not try."""

from __future__ import annotations

from typing import Literal, NamedTuple

__all__ = ["Finding", "Severity"]

Severity = Literal["high", "medium", "low", "cannot tell", "not tried"]


class Finding(NamedTuple):
    """What was `sent` and what `came`, without any cookie's value. `asvs`: its number in OWASP ASVS 5.0."""

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
