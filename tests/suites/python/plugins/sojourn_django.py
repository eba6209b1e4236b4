"""Settings for Django's own tests: those of its tests on SQLite, with our engine, which keeps to memory in tests."""

from __future__ import annotations

from test_sqlite import *  # type: ignore[import-not-found]  # noqa: F403  # where the tests are

TEST_RUNNER = "sojourn_results.Runner"
SESSION_ENGINE = "sojourn.django"
SOJOURN = {"store": "memory:"}
