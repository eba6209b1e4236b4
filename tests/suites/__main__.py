"""Runs other people's test suites over our sessions: `make suites`, or `python -m tests.suites NAME …`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.suites.node.suites import SUITES as NODE
from tests.suites.php.suites import SUITES as PHP
from tests.suites.sources import SourceMissing
from tests.suites.suite import Suite, complaints, read_differences

SUITES = [*NODE, *PHP]


def run(suite: Suite) -> bool:
    """Whether each test passed that is not on the list, and each failed that is."""
    with tempfile.TemporaryDirectory(prefix="suite-") as folder:
        try:
            outcome = suite.run(Path(folder))
        except SourceMissing as missing:
            print(f"{suite.name}: not run. {missing}")
            return False
    differences = read_differences(suite.name)
    found = complaints(outcome, differences)
    print(f"{suite.name}: {len(outcome.passed)} passed, {len(outcome.failed)} failed, {len(differences)} may differ")
    for complaint in found:
        print(f"  {complaint}")
    return not found


def main(names: list[str]) -> int:
    known = {suite.name: suite for suite in SUITES}
    unknown = [name for name in names if name not in known]
    if unknown:
        print(f"There is no suite {', '.join(unknown)}. There are: {', '.join(known)}.")
        return 2
    wrong = [name for name in names or known if not run(known[name])]
    print(f"\nNot as they should be: {', '.join(wrong)}." if wrong else "\nAll are as they should be.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
