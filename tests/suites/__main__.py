"""Runs other people's test suites over our sessions: `make suites`, or `python -m tests.suites NAME …`."""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.suites.node.suites import SUITES as NODE
from tests.suites.php.suites import SUITES as PHP
from tests.suites.python.suites import SUITES as PYTHON
from tests.suites.sources import SourceMissing
from tests.suites.suite import Suite, complaints, read_differences

SUITES = [*NODE, *PHP, *PYTHON]


@dataclass(frozen=True)
class Row:
    """A line of the table at the end."""

    name: str
    passed: int | str
    differ: int | str
    unexpected: int | str

    @property
    def is_right(self) -> bool:
        return self.unexpected == 0

    def text(self) -> str:
        return f"{self.name:<28}{self.passed:>8}{self.differ:>12}{self.unexpected:>12}"


def run(suite: Suite) -> Row:
    """Run one, and say what is not as it should be: each test is to pass that is not on the list, and no other."""
    with tempfile.TemporaryDirectory(prefix="suite-") as folder:
        try:
            outcome = suite.run(Path(folder))
        except SourceMissing as missing:
            print(f"{suite.name}: not run. {missing}", flush=True)
            return Row(suite.name, "-", "-", "not run")
    differences = read_differences(suite.name)
    found = complaints(outcome, differences)
    print(f"{suite.name}: {len(outcome.passed)} passed, {len(outcome.failed)} failed, {len(differences)} may differ")
    for complaint in found:
        print(f"  {complaint}")
    sys.stdout.flush()
    return Row(suite.name, len(outcome.passed), len(outcome.failed.keys() & differences), len(found))


def main(names: list[str]) -> int:
    known = {suite.name: suite for suite in SUITES}
    unknown = [name for name in names if name not in known]
    if unknown:
        print(f"There is no suite {', '.join(unknown)}. There are: {', '.join(known)}.")
        return 2
    rows = [run(known[name]) for name in names or known]
    print()
    for row in [Row("suite", "passed", "reasoned", "unexpected"), *rows]:
        print(row.text())
    wrong = [row.name for row in rows if not row.is_right]
    print(f"\nNot as they should be: {', '.join(wrong)}." if wrong else "\nAll are as they should be.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
