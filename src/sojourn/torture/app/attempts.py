"""Attempts: one try of each kind on a web application, as a race repeats it and `sojourn doctor` makes it once.

Each says whether something was lost. All raise RaceError where the application does not answer as it did before.
"""

from __future__ import annotations

import string
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from random import Random

from sojourn.torture.worker_pool import RaceError

from .browser import Browser
from .endpoint import AppEndpoint
from .web_application import AppRaceContext, AppRequest, described

__all__ = [
    "made_up_browser",
    "old_cookie_opens",
    "planted_cookie_opens",
    "session_cookies",
    "slow_write_revives",
    "stranger",
    "written_at_once",
]

# So long after a slow write was sent the log-out is.
HEAD_START = 0.25


def stranger(context: AppRaceContext) -> Browser:
    """A browser that began a visit, and tried to write: that may be refused, as nobody is logged in."""
    browser = Browser(context.app.site)
    browser.send(context.app.read)
    browser.send(context.app.write, context.number())
    return browser


def made_up_browser(context: AppRaceContext, known: Browser) -> Browser:
    """A browser with the cookies of `known`, but for their values: the server has issued none of these."""
    return Browser(context.app.site, {name: _made_up(value, context.random) for name, value in known.jar.items()})


def _made_up(value: str, chance: Random) -> str:
    """A value that looks like this one."""
    kinds = (string.digits, "abcdef", string.ascii_lowercase, string.ascii_uppercase)
    return "".join(next((chance.choice(kind) for kind in kinds if letter in kind), letter) for letter in value)


def planted_cookie_opens(context: AppRaceContext, thief: Browser) -> bool | None:
    """Whether a victim who logs in with the thief's cookies is seen by the thief. None: the log-in was refused."""
    victim = thief.copy()
    if not context.tries_log_in(victim).is_good:
        return None
    return bool(context.numbers_in(thief, [context.write(victim)]))


def old_cookie_opens(context: AppRaceContext) -> bool:
    """Whether the cookies from before a log-out still open the session after it."""
    browser = context.log_in()
    number = context.write(browser)
    old = browser.copy()
    browser.send(context.app.logout)
    return bool(context.numbers_in(old, [number]))


def slow_write_revives(context: AppRaceContext, slow: AppEndpoint) -> bool | None:
    """Whether the session is there again after a log-out that a slow write was under way in. None: it was over before.

    For the browser, or for the cookies from before. What comes too late may begin a new session in the browser, but
    what was there before is gone.
    """
    browser = context.log_in()
    before, late = context.write(browser), context.number()
    old = browser.copy()
    with ThreadPoolExecutor(1) as thread:
        write = thread.submit(browser.send, slow, late)
        time.sleep(HEAD_START)
        if write.done():
            return None
        browser.send(context.app.logout)
    return bool(context.numbers_in(old, [before, late]) or context.numbers_in(browser, [before]))


def written_at_once(
    context: AppRaceContext, browser: Browser, endpoints: Sequence[AppEndpoint]
) -> tuple[set[int], set[int]]:
    """What was answered as done, of a write to each endpoint, all at once; and what of it the next read shows."""
    requests = [AppRequest(browser, endpoint, context.number()) for endpoint in endpoints]
    answers = context.at_once(requests)
    written = {request.number for request, answer in zip(requests, answers, strict=True) if answer.is_good}
    if not written:
        raise RaceError(f"All writes were refused, the first with {described(answers[0])}.")
    return written, context.numbers_in(browser, written)


def session_cookies(context: AppRaceContext, browser: Browser, number: int) -> list[str]:
    """The names of the cookies without which the session's page does not show `number`."""
    found = []
    for name in list(browser.jar):
        others = {other: value for other, value in browser.jar.items() if other != name}
        if not context.numbers_in(Browser(context.app.site, others), [number]):
            found.append(name)
    return found
