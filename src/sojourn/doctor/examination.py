"""An examination of a web application: all its checks, one after the other, within a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from random import Random

from sojourn.torture.app import Application, AppRaceContext, check_endpoints

from .app_checks import APP_CHECKS
from .finding import Finding
from .timeout_checks import absolute_timeout, idle_timeout

__all__ = ["LONGEST", "examine_app"]

# Seconds: some hundred requests, of an application that is slow.
LONGEST = 300.0


def examine_app(
    app: Application,
    seed: int,
    progress: Callable[[str], None],
    *,
    idle: float | None = None,
    absolute: float | None = None,
    longest: float = LONGEST,
) -> list[Finding]:
    """All findings, of each check at least one.

    `idle`: the seconds after which an untouched session must have ended, `absolute` those after which any must have;
    None does not wait for it. `longest`: the seconds that all takes at most, but for these waits; what is not done by
    then is broken off. Raises ConfigurationError where the endpoints do not do what they are said to.
    """
    end = time.monotonic() + longest + (idle or 0) + (absolute or 0)
    app = app._replace(site=app.site._replace(deadline=end))
    check_endpoints(app, seed)
    context = AppRaceContext(app, Random(seed), 1, progress)  # noqa: S311  # to be repeated, not to be secret
    found: list[Finding] = []
    try:
        for check in (*APP_CHECKS, idle_timeout(idle), absolute_timeout(absolute)):
            progress(check.name)
            found += check.findings(context)
    finally:
        context.tidy()
    return found
