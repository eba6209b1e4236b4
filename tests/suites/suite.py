"""Suite: other people's tests over our sessions, and what may differ, with its reason."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["DIFFERENCES", "Outcome", "Suite", "complaints", "read_differences"]

DIFFERENCES = Path(__file__).parent / "differences"


@dataclass(frozen=True)
class Outcome:
    """What came of each test, by its title. Tests that were skipped are in neither."""

    passed: frozenset[str]
    failed: Mapping[str, str]
    """With why, in a line."""

    @classmethod
    def of(cls, told: Iterable[tuple[str, str]]) -> Outcome:
        """Of titles, and why each failed, if it did. Of several tests of one title, all have to pass."""
        all_told = list(told)
        failed = {title: why.strip().partition("\n")[0][:200] for title, why in all_told if why}
        return cls(frozenset(title for title, _ in all_told) - failed.keys(), failed)


@dataclass(frozen=True)
class Suite:
    """`run` is given an empty folder, and runs the tests there. What may fail is in `differences/NAME.toml`."""

    name: str
    run: Callable[[Path], Outcome]


def read_differences(name: str) -> frozenset[str]:
    """The titles of the tests that may fail, and have to. Without a file, none."""
    file = DIFFERENCES / f"{name}.toml"
    if not file.exists():
        return frozenset()
    titles = [
        title for difference in tomllib.loads(file.read_text("utf-8"))["difference"] for title in _titles(difference)
    ]
    if len(titles) != len(set(titles)):
        raise ValueError(f"{file}: a test is there twice.")
    return frozenset(titles)


def _titles(difference: Mapping[str, object]) -> list[str]:
    reason, tests = difference.get("reason"), difference.get("tests")
    if not isinstance(reason, str) or not reason.strip() or not isinstance(tests, list) or not tests:
        raise ValueError(f"A difference has a reason and a list of tests: {difference!r}.")
    return [str(test) for test in tests]


def complaints(outcome: Outcome, differences: Collection[str]) -> list[str]:
    """What keeps a run from being right: failures without a reason, reasons without a failure, and no tests at all."""
    found = [f"fails: {title}\n    {why}" for title, why in outcome.failed.items() if title not in differences]
    for title in sorted(differences):
        if title in outcome.passed:
            found.append(f"differs no longer, take it off the list: {title}")
        elif title not in outcome.failed:
            found.append(f"is on the list and was not run: {title}")
    if not outcome.passed:
        found.append("no test passed")
    return found
