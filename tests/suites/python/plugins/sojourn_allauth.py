"""Settings for allauth's own tests: its own, with our engine, which keeps to memory in tests."""

from __future__ import annotations

from tests.projects.regular.settings import *  # type: ignore[import-not-found]  # noqa: F403  # where the tests are
from tests.projects.regular.settings import INSTALLED_APPS as THEIRS

INSTALLED_APPS = [*THEIRS, "sojourn.django"]
SESSION_ENGINE = "sojourn.django"
SOJOURN = {"store": "memory:"}
