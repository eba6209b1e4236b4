"""Check: one thing that is tried on an application, and what is said where nothing is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from sojourn.torture import RaceError
from sojourn.torture.app import AppRaceContext

from .finding import Finding, Severity

__all__ = ["Check", "Observation"]


class Observation(NamedTuple):
    """What a look has to tell. `about` and `sent` where they are not the check's own."""

    severity: Severity
    came: str
    mend: str
    about: str = ""
    sent: str = ""
    asvs: str = ""


class Check(NamedTuple):
    """A look at an application. One that tells nothing has found it `good`: that is what came then."""

    name: str
    asvs: str
    sent: str
    good: str
    look: Callable[[AppRaceContext], Iterator[Observation]]

    def findings(self, context: AppRaceContext) -> list[Finding]:
        """What the look finds: at least one."""
        found = []
        try:
            for told in self.look(context):
                name, asvs = told.about or self.name, told.asvs or self.asvs
                sent = told.sent or ("" if told.severity == "not tried" else self.sent)
                found.append(Finding(name, told.severity, sent, told.came, asvs, told.mend))
            if not found:
                _require_shown(context)
        except RaceError as error:
            mend = "See that the application is up, and that it answers in time and so many requests; then try again."
            found.append(Finding(self.name, "broken off", self.sent, str(error), self.asvs, mend))
        return found or [Finding(self.name, "good", self.sent, self.good, self.asvs, "")]


def _require_shown(context: AppRaceContext) -> None:
    """Nothing is shown either by a page that asks who is there after so many log-ins: then nothing was good."""
    browser = context.log_in()
    if not context.numbers_in(browser, [context.write(browser)]):
        raise RaceError("A read does not show any more what was written just before.")
