"""What came of each of Django's tests, for the file that SUITE_RESULTS names: Django's runner prints words alone."""

from __future__ import annotations

import json
import os
import unittest
from pathlib import Path
from typing import Any

from django.test.runner import DiscoverRunner


class Results(unittest.TextTestResult):
    """Notes down titles: of those that passed, and why others failed."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.told: dict[str, str] = {}

    def stopTestRun(self) -> None:  # noqa: N802  # unittest's
        super().stopTestRun()
        Path(os.environ["SUITE_RESULTS"]).write_text(json.dumps(self.told), "utf-8")

    def addSuccess(self, test: unittest.TestCase) -> None:  # noqa: N802
        super().addSuccess(test)
        self.told.setdefault(test.id(), "")

    def addError(self, test: Any, err: Any) -> None:  # noqa: N802
        super().addError(test, err)
        self.told[test.id()] = why(err[1])

    def addFailure(self, test: Any, err: Any) -> None:  # noqa: N802
        super().addFailure(test, err)
        self.told[test.id()] = why(err[1])

    def addSubTest(self, test: Any, subtest: Any, err: Any) -> None:  # noqa: N802
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.told[test.id()] = why(err[1])


def why(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


class Runner(DiscoverRunner):
    """Django's own, with Results."""

    def get_resultclass(self) -> type[unittest.TextTestResult]:
        return Results
