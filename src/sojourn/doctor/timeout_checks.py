"""Whether sessions end by themselves: after a time without a request, and however many there are."""

from __future__ import annotations

import time
from collections.abc import Iterator

from sojourn.torture.app import AppRaceContext

from .app_checks import writes_add
from .check import Check, Observation

__all__ = ["absolute_timeout", "idle_timeout"]

BETWEEN = 30.0


def idle_timeout(seconds: float | None) -> Check:
    """Whether an untouched session has ended after `seconds`; None does not wait for it."""

    def look(context: AppRaceContext) -> Iterator[Observation]:
        if seconds is None:
            told = "Give --idle DURATION, after which an untouched session must have ended."
            yield Observation("not tried", "", told)
            return
        browser = context.log_in()
        number = context.write(browser)
        time.sleep(seconds)
        if context.numbers_in(browser, [number]):
            yield Observation(
                "medium", "the session's data", "End a session on the server that long after its last request."
            )

    sent = f"a read {seconds:g} s after the session's last request" if seconds else ""
    return Check("idle timeout", "7.3.1", sent, "no session", look)


def absolute_timeout(seconds: float | None) -> Check:
    """Whether a session that is in use all the time has ended after `seconds`; None does not wait for it."""

    def look(context: AppRaceContext) -> Iterator[Observation]:
        if seconds is None:
            told = "Give --absolute DURATION, after which any session must have ended, however much it is used."
            yield Observation("not tried", "", told)
            return
        browser, app = context.log_in(), context.app
        # A read may be no activity, so it is a write, where that leaves the number which is looked for.
        use = app.write if writes_add(context, browser) else next(iter(app.other_writes), app.read)
        end = time.monotonic() + seconds
        number = context.write(browser)
        while (left := end - time.monotonic()) > 0:
            browser.send(use, context.number())
            time.sleep(min(left, BETWEEN, seconds / 10))
        if context.numbers_in(browser, [number]):
            mend = "End a session on the server that long after its log-in, and ask for another one."
            yield Observation("medium", "the session's data", mend)

    sent = f"a read {seconds:g} s after the log-in, with requests all the time" if seconds else ""
    return Check("absolute timeout", "7.3.2", sent, "no session", look)
